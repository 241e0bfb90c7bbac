//! `plan --against` and `config diff`

use std::{fs, path::PathBuf};

use taskbell::clock::{Clock as _, SystemClock};

use super::desk::Desk;

/// A config beside the one in force.
fn beside(desk: &Desk, change: impl Fn(String) -> String) -> PathBuf {
    let path = desk.stage.store().with_file_name("other.toml");
    fs::write(&path, change(fs::read_to_string(desk.stage.config()).unwrap())).unwrap();
    path
}

async fn another_config_is_held_against_what_would_be_told(desk: Desk) {
    let same = beside(&desk, |text| text);
    let same = same.to_str().unwrap().to_owned();
    let said = desk.ok(&["plan", "--against", &same]).await;
    assert!(
        said.ends_with("nothing would be told\nthe new config changes nothing here\n"),
        "{said}"
    );
    let said = desk.ok(&["config", "diff", &same]).await;
    assert!(said.contains("4 notices now, 4 notices then"), "{said}");

    let other = beside(&desk, |text| text.replace("to = [\"chat\", \"mail\"]", "to = [\"mail\"]"));
    let other = other.to_str().unwrap().to_owned();
    let output = desk.stage.run(&["config", "diff", &other, "--replay", "1h"]).await;
    assert_eq!(output.status.code(), Some(1), "there are differences");
    let said = String::from_utf8(output.stdout).unwrap();
    let head = "5 failures recorded in the last 1h; 4 notices now, 2 notices then\n";
    assert!(said.starts_with(head), "{said}");
    let gone = said.lines().filter(|line| line.starts_with("no longer: task.failed to chat at 2"));
    assert_eq!(gone.count(), 2, "{said}");
    assert!(said.contains(&format!(" about {}\n", desk.told)), "{said}");
    let output = desk.stage.run(&["-o", "json", "config", "diff", &other]).await;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["changes"][0]["change"], "no longer");
    assert_eq!(answer["changes"][0]["sink"], "chat");
    assert_eq!((&answer["notices_now"], &answer["notices_then"]), (&4.into(), &2.into()));
}

/// Asked at once after a failure, while its group would still wait.
async fn what_would_still_wait_is_told_in_the_end(desk: Desk) {
    let longer = beside(&desk, |text| {
        text.replace("wait = \"0s\", max_items = 1", "wait = \"1h\", max_items = 100")
    });
    let output = desk.stage.run(&["config", "diff", longer.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1), "there are differences");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("; 4 notices now, 2 notices then\n"), "{said}");
    let both = format!(" about {}, {}", desk.told, desk.untold);
    let new: Vec<&str> = said.lines().filter(|line| line.starts_with("new: task.failed")).collect();
    assert!(new.len() == 2 && new.iter().all(|line| line.ends_with(&both)), "{said}");

    let alone = beside(&desk, |text| text.replace("wait = \"0s\"", "by = [\"server_name\"]"));
    let said = desk.ok(&["config", "diff", alone.to_str().unwrap()]).await;
    assert!(said.ends_with("changes nothing here\n"), "{said}");

    let later = beside(&desk, |text| text.replace("max_items = 1", "by = [\"server_name\"]"))
        .to_str()
        .unwrap()
        .to_owned();
    let text = fs::read_to_string(&later).unwrap().replace("wait = \"0s\"", "wait = \"7s\"");
    fs::write(&later, text).unwrap();
    let output = desk.stage.run(&["-o", "json", "config", "diff", &later]).await;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let changes = answer["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 4, "{answer}");
    for change in changes {
        assert_eq!(change["change"], "at another time");
        let at = |key: &str| change[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(at("at").duration_since(at("was_at")).as_secs(), 7, "{change}");
    }

    // In half a year, and from now on once a year.
    let month = SystemClock.now().to_zoned_datetime(jiff::tz::TimeZone::UTC).month();
    let cron = format!("digest = {{ cron = \"0 0 1 {} *\" }}\ngroup", (month + 5) % 12 + 1);
    let yearly = beside(&desk, |text| text.replace("group", &cron));
    let output = desk.stage.run(&["config", "diff", yearly.to_str().unwrap()]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("; 4 notices now, 0 notices then\n"), "{said}");
    let last = "not compared, since they wait for too long: 0 now, 4 then";
    assert_eq!(said.lines().last(), Some(last), "{said}");
}

async fn another_config_that_is_wrong_is_refused_by_its_name(desk: Desk) {
    let wrong = beside(&desk, |text| text.replace("interval = \"5s\"", "interval = \"5h\""));
    let wrong = wrong.to_str().unwrap().to_owned();
    for command in [["plan", "--against"], ["config", "diff"]] {
        let said = desk.refused(78, &[&command[..], &[&wrong]].concat()).await;
        let place = "source.cloud.interval: must be between 1s and 1h";
        assert!(said.starts_with(&format!("error: {wrong}:")) && said.contains(place), "{said}");
        let said = desk.refused(78, &[&command[..], &["/no/such/file"]].concat()).await;
        assert!(said.contains("/no/such/file") && said.contains("No such file"), "{said}");
    }
}

mod tests {
    super::super::with_and_without_a_daemon! {
        another_config_is_held_against_what_would_be_told
        another_config_that_is_wrong_is_refused_by_its_name
        what_would_still_wait_is_told_in_the_end
    }
}
