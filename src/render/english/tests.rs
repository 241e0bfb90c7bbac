use super::*;

#[test]
fn numbers_have_their_endings() {
    for (nth, expected) in [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (112, "112th"),
        (121, "121st"),
    ] {
        assert_eq!(ordinal(nth), expected);
    }
}

#[test]
fn a_length_of_time_has_its_two_largest_units() {
    for (seconds, expected) in [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (4320, "1 h 12 min"),
        (86_400, "1 d"),
        (187_200, "2 d 4 h"),
    ] {
        assert_eq!(English.duration(Duration::from_secs(seconds)), expected);
    }
}

#[test]
fn an_operation_that_has_no_word_of_ours_goes_by_its_own() {
    let mut failure = crate::render::sample::sample(NoticeKind::TaskFailed).failures.remove(0);
    failure.task.action = Action::Other;
    for (own, expected) in [
        ("createProtectedInstance", "Task createProtectedInstance failed on"),
        ("billing\u{202e}_daily", "Task billing\u{fffd}_daily failed on"),
        ("", "Task failed on"),
    ] {
        failure.task.text.operate_type = own.to_owned();
        let title = English.title(&failure);
        assert!(title.starts_with(expected), "{title}");
    }
}
