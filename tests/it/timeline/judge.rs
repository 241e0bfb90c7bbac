//! What was expected, held against what arrived.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{record::Notice, script::Expect};

/// How much later than it should a thing may come on a busy machine.
const SLACK: Duration = Duration::from_secs(20);

/// What is wrong now.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// What time may still mend.
    pub(super) missing: Vec<String>,
    /// What nothing mends.
    pub(super) wrong: Vec<String>,
}

/// What came to one receiver.
struct Arrived {
    notices: Vec<Notice>,
    claimed: Vec<bool>,
    /// Where the last expectation was met.
    cursor: usize,
}

/// Judges the notices that each receiver took, in their order. With `killed`, what was taken may
/// come again.
pub(super) fn judge(
    expects: &[Expect],
    notices: BTreeMap<String, Vec<Notice>>,
    began: Timestamp,
    killed: bool,
) -> Judgement {
    let mut judgement = Judgement::default();
    let mut arrived: BTreeMap<String, Arrived> = BTreeMap::new();
    for (to, notices) in notices {
        let mut claimed = vec![false; notices.len()];
        // Where every story begins.
        if let Some(at) = notices.iter().position(|notice| notice.kind == "source.watching") {
            claimed[at] = true;
        }
        arrived.insert(to, Arrived { notices, claimed, cursor: 0 });
    }
    for expect in expects {
        let Some(arrived) = arrived.get_mut(&expect.to) else {
            judgement.wrong.push(format!("there is no receiver `{}`", expect.to));
            continue;
        };
        arrived.claim(expect, began, &mut judgement);
    }
    for (to, arrived) in &arrived {
        arrived.check(to, began, killed, &mut judgement);
    }
    judgement
}

impl Arrived {
    fn claim(&mut self, expect: &Expect, began: Timestamp, judgement: &mut Judgement) {
        let [least, most] = expect.count;
        let mut found = 0;
        for (at, notice) in self.notices.iter().enumerate() {
            if found == most || self.claimed[at] || !fits(expect, notice) {
                continue;
            }
            found += 1;
            self.claimed[at] = true;
            let wrong = detail(expect, notice, began);
            judgement.wrong.extend(wrong.map(|what| format!("{expect}: {what}")));
            if at < self.cursor && !expect.any_order {
                let before = &self.notices[self.cursor];
                judgement.wrong.push(format!("{expect}: came before {}", named(before)));
            }
            self.cursor = self.cursor.max(at);
        }
        if found < least {
            let seen = if found == 0 { "nothing like it".to_owned() } else { found.to_string() };
            judgement.missing.push(format!("{expect}: {seen} arrived"));
        }
    }

    fn check(&self, to: &str, began: Timestamp, killed: bool, judgement: &mut Judgement) {
        for (notice, claimed) in self.notices.iter().zip(&self.claimed) {
            let named = named(notice);
            if !claimed {
                let at = notice.accepted_at().map_or(0.0, |at| since(at, began));
                judgement.wrong.push(format!("not expected: {to} <- {named} at {at:.2} s"));
            }
            if !notice.same {
                judgement.wrong.push(format!("{to} <- {named}: a repeat has other bytes"));
            }
            let times = notice.accepted().count();
            if 1 < times && !killed {
                judgement.wrong.push(format!("{to} <- {named}: taken {times} times"));
            }
        }
    }
}

fn named(notice: &Notice) -> String {
    let Notice { id, kind, reason, total, tasks, .. } = notice;
    let shown: Vec<&String> = tasks.iter().take(6).collect();
    format!("{kind} ({reason}) of {total} {shown:?} [{id}]")
}

fn since(at: Timestamp, began: Timestamp) -> f64 {
    at.duration_since(began).as_secs_f64()
}

fn fits(expect: &Expect, notice: &Notice) -> bool {
    let same = |wanted: &Option<Vec<String>>, found: &Vec<String>| {
        wanted.as_ref().is_none_or(|wanted| {
            let mut wanted = wanted.clone();
            wanted.sort();
            wanted == *found
        })
    };
    expect.kind == notice.kind
        && same(&expect.tasks, &notice.tasks)
        && same(&expect.cleared, &notice.cleared)
        && expect.total.is_none_or(|total| total == notice.total)
        && expect.reason.as_ref().is_none_or(|reason| *reason == notice.reason)
}

/// What is wrong with a notice that is otherwise the one that was meant.
fn detail(expect: &Expect, notice: &Notice, began: Timestamp) -> Option<String> {
    let accepted = notice.accepted_at()?;
    let at = since(accepted, began);
    let [from, until] = expect.between.map(|period| period.0);
    if at < from.as_secs_f64() || (until + SLACK).as_secs_f64() < at {
        return Some(format!("came at {at:.2} s"));
    }
    let attempts = notice.requests.iter().take_while(|(when, _)| *when < accepted).count() + 1;
    if attempts < expect.attempts {
        return Some(format!("took {attempts} attempts, not {} or more", expect.attempts));
    }
    let gap = expect.first_gap?.0;
    let [(first, _), (second, _), ..] = notice.requests.as_slice() else {
        return Some("was sent once only".to_owned());
    };
    let real = since(*second, *first);
    (real < gap.as_secs_f64()).then(|| format!("came again after {real:.2} s already"))
}
