//! Numbers with their nouns.

pub(super) fn failed_tasks(count: u32) -> String {
    if count == 1 { "1 failed task".to_owned() } else { format!("{count} failed tasks") }
}

pub(super) fn failures(count: u32) -> String {
    if count == 1 { "1 failure".to_owned() } else { format!("{count} failures") }
}

pub(super) fn standing(count: u32) -> String {
    match count {
        0 => "no failure stands".to_owned(),
        1 => "1 failure stands already".to_owned(),
        _ => format!("{count} failures stand already"),
    }
}

pub(super) fn ordinal(nth: u32) -> String {
    let ending = match (nth % 10, nth % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{nth}{ending}")
}
