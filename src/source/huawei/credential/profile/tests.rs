use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let actual = match parse(text, "basic") {
        Ok(identity) => {
            let project = identity.project_id.as_deref().unwrap_or("-");
            format!("{} {project}", identity.describe())
        }
        Err(problem) => problem,
    };
    assert_eq!(actual, expected, "{text}");
}

#[test]
fn a_section_is_read_as_the_official_tools_write_it() {
    check("[basic]\nak = a\nsk = b\n", "an access key -");
    check("# mine\n\n[global]\nak = x\nsk = y\n[basic]\nak=a\nsk=b=c\n", "an access key -");
    check("[ basic ]\r\nak = a\r\nsk = b\r\nproject_id = p1\r\n", "an access key p1");
    check("[basic]\nak = a\nsk = b\nsecurity_token = t", "a temporary access key -");
    check("[basic]\nak = a\nsk = b\nsecurity_token =\niam_endpoint = i", "an access key -");
}

#[test]
fn a_wrong_file_is_told_by_its_line_and_without_what_is_in_it() {
    check("", "there is no section [basic]");
    check("ak = a\nsk = b", "there is no section [basic]");
    check("[global]\nak = a\nsk = b", "there is no section [basic]");
    check("[basic]\nak = a", "the section [basic] has no `sk`");
    check("[basic]\nsk = s3cret", "the section [basic] has no `ak`");
    check("[basic\nak = a", "line 1: a section ends with `]`");
    check("[basic]\nak: s3cret", "line 2: must be `key = value` or `[section]`");
    check("[basic]\n{\"ak\": \"s3cret\"}", "line 2: must be `key = value` or `[section]`");
    check(
        "[basic]\nsk = b\nak = s3cret s3cret",
        "line 3: must not hold blanks, line breaks or non-ASCII",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    assert_eq!(read(&path, "basic"), Ok(None));
    fs::write(&path, "[basic]\nak = a\nsk = b\n").unwrap();
    assert!(read(&path, "basic").unwrap().is_some());
    let problem = read(&path, "other").unwrap_err();
    assert_eq!(problem, format!("{}: there is no section [other]", path.display()));
    fs::write(&path, "x".repeat(65 * 1024)).unwrap();
    assert!(read(&path, "basic").unwrap_err().contains("is longer than"));
    fs::write(&path, [0xFF, 0xFE, b'a']).unwrap();
    assert!(read(&path, "basic").unwrap_err().starts_with("cannot read"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may read it all the same, and then finds no text in it.
    assert!(read(&path, "basic").unwrap_err().starts_with("cannot read"));
}

#[test]
fn the_file_is_named_by_the_environment_or_in_the_home_folder() {
    let env = |pairs: &'static [(&str, &str)]| {
        move |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        }
    };
    assert_eq!(default_file(&env(&[])), None);
    let home = env(&[("HOME", "/home/ops"), (FILE_VARIABLE, "")]);
    assert_eq!(default_file(&home), Some("/home/ops/.huaweicloud/credentials".into()));
    let named = env(&[("HOME", "/home/ops"), (FILE_VARIABLE, "/etc/keys")]);
    assert_eq!(default_file(&named), Some("/etc/keys".into()));
}
