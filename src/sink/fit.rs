//! Makes a notice fit: less detail first, then fewer failures, and always a word about the rest.
//!
//! Each kind says how a [`View`] becomes its payload and whether a payload is small enough, in
//! the service's own unit and after all escaping. Nothing is ever split into several messages.

use crate::{
    render::{Brief, Item, Tone},
    text,
};

/// Most failures that are shown with all their facts. More have a line each.
const CARDS_MAX: usize = 3;

/// Longest values, tried in this order. The first is longer than any.
const VALUE_BYTES: [usize; 3] = [4096, 200, 60];

/// As much of a notice as is shown.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    pub(super) tone: Tone,
    pub(super) headline: &'a str,
    pub(super) lead: &'a str,
    pub(super) notes: Vec<(&'static str, String)>,
    pub(super) items: Vec<Shown>,
    /// How many failures are not shown and how to see them; then, how many others stand.
    pub(super) more: Vec<String>,
    pub(super) foot: &'a [String],
}

/// As much of a failure as is shown. Neither title nor facts may be there.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) title: String,
    pub(super) facts: Vec<(&'static str, String)>,
}

impl Shown {
    /// All of it, without markup.
    pub(super) fn plain(&self) -> String {
        let title = Some(self.title.clone()).filter(|title| !title.is_empty());
        title.into_iter().chain(self.facts.iter().map(plain_pair)).collect::<Vec<_>>().join("\n")
    }
}

/// "Label: value", without markup.
pub(super) fn plain_pair((label, value): &(&'static str, String)) -> String {
    format!("{label}: {value}")
}

/// How much is shown.
#[derive(Clone, Copy)]
struct Cut {
    items: usize,
    with_facts: bool,
    value_bytes: usize,
    with_notes: bool,
}

impl<'a> View<'a> {
    fn of(brief: &'a Brief, cut: Cut) -> Self {
        let short = |value: &String| text::clean(value, cut.value_bytes);
        let shown = |item: &Item| {
            if cut.with_facts {
                let facts = item.facts.iter().map(|(label, value)| (*label, short(value)));
                return Shown { title: item.title.clone(), facts: facts.collect() };
            }
            Shown { title: item.line(cut.value_bytes), facts: Vec::new() }
        };
        let notes = brief.notes.iter().filter(|_| cut.with_notes);
        Self {
            tone: brief.tone,
            headline: &brief.headline,
            lead: &brief.lead,
            items: brief.items.iter().take(cut.items).map(shown).collect(),
            notes: notes.map(|(label, value)| (*label, short(value))).collect(),
            more: brief.rest(cut.items).into_iter().chain(brief.more.clone()).collect(),
            foot: &brief.foot,
        }
    }
}

/// The fullest payload that fits; the barest one if none does, which no service's limit makes
/// happen.
pub(super) fn fit<T>(brief: &Brief, make: impl Fn(&View<'_>) -> T, fits: impl Fn(&T) -> bool) -> T {
    let all = brief.items.len();
    let payload = |cut| make(&View::of(brief, cut));
    let cuts = [true, false].into_iter().flat_map(|with_facts| {
        VALUE_BYTES.map(|value_bytes| Cut { items: all, with_facts, value_bytes, with_notes: true })
    });
    for cut in cuts.filter(|cut| !cut.with_facts || all <= CARDS_MAX) {
        let found = payload(cut);
        if fits(&found) {
            return found;
        }
    }
    let [.., value_bytes] = VALUE_BYTES;
    let mut cut = Cut { items: 0, with_facts: false, value_bytes, with_notes: true };
    let mut best = payload(cut);
    if !fits(&best) {
        cut.with_notes = false;
        best = payload(cut);
    }
    // The most lines that fit, between a number that does and one that does not.
    let (mut fitting, mut failing) = (0, all);
    while 1 < failing - fitting {
        cut.items = fitting.midpoint(failing);
        let found = payload(cut);
        if fits(&found) {
            best = found;
            fitting = cut.items;
        } else {
            failing = cut.items;
        }
    }
    best
}

/// How a service marks up text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Markup {
    pub(super) escape: fn(&str) -> String,
    /// What stands before and behind what is to be seen first.
    pub(super) strong: (&'static str, &'static str),
    /// What ends a line within a paragraph.
    pub(super) line_end: &'static str,
    pub(super) with_foot: bool,
}

impl Markup {
    /// `raw`, to be seen first.
    pub(super) fn strong(&self, raw: &str) -> String {
        let (before, behind) = self.strong;
        format!("{before}{}{behind}", (self.escape)(raw))
    }

    fn pair(&self, label: &str, value: &str) -> String {
        format!("{label}: {}", (self.escape)(value))
    }

    /// Everything below the headline, in paragraphs.
    pub(super) fn body(&self, view: &View<'_>) -> String {
        let escape = self.escape;
        let notes = view.notes.iter().map(|(label, value)| self.pair(label, value));
        let mut paragraphs = vec![vec![escape(view.lead)], notes.collect()];
        let mut lines = Vec::new();
        for item in &view.items {
            let facts = item.facts.iter().map(|(label, value)| self.pair(label, value));
            if item.facts.is_empty() {
                lines.push(format!("- {}", escape(&item.title)));
            } else if item.title.is_empty() {
                paragraphs.push(facts.collect());
            } else {
                paragraphs.push([self.strong(&item.title)].into_iter().chain(facts).collect());
            }
        }
        paragraphs.push(lines);
        paragraphs.push(view.more.iter().map(|line| escape(line)).collect());
        if self.with_foot {
            paragraphs.push(view.foot.iter().map(|line| escape(line)).collect());
        }
        paragraphs.retain(|lines| !lines.is_empty());
        let paragraphs = paragraphs.iter().map(|lines| lines.join(self.line_end));
        paragraphs.collect::<Vec<_>>().join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Markup =
        Markup { escape: str::to_owned, strong: ("", ""), line_end: "\n", with_foot: true };

    fn brief(items: usize, omitted: u32) -> Brief {
        let item = Item {
            title: "title".into(),
            message: Some("m".repeat(1000)),
            at: "now".into(),
            facts: vec![("Message", "m".repeat(1000))],
        };
        Brief {
            tone: Tone::Bad,
            headline: "headline".into(),
            lead: "lead".into(),
            items: vec![item; items],
            notes: vec![("Note", "n".repeat(300))],
            more: None,
            foot: vec!["foot".into()],
            omitted,
        }
    }

    /// The body that fits in `max` bytes, as numbers: its length, lines with a title, notes.
    fn fitted(items: usize, omitted: u32, max: usize) -> (usize, usize, bool, String) {
        let body = fit(&brief(items, omitted), |view| PLAIN.body(view), |body| body.len() <= max);
        let rest = body.lines().find(|line| line.contains("taskbell failure list"));
        let rest = rest.unwrap_or_default().to_owned();
        (body.len(), body.matches("title").count(), body.contains("Note: "), rest)
    }

    #[test]
    fn detail_goes_first_then_failures_and_the_rest_is_always_counted() {
        for (items, omitted, max, shown, notes, rest) in [
            (2, 0, 10_000, 2, true, ""),
            (2, 0, 1_000, 2, true, ""),
            (2, 0, 300, 2, true, ""),
            (10, 0, 100_000, 10, true, ""),
            (10, 0, 600, 6, true, "And 4 more. To list them: taskbell failure list"),
            (10, 90, 600, 6, true, "And 94 more. To list them: taskbell failure list"),
            (10, 0, 110, 0, false, "Not listed here: 10. To list them: taskbell failure list"),
            (10, 0, 1, 0, false, "Not listed here: 10. To list them: taskbell failure list"),
        ] {
            let (length, titles, with_notes, told) = fitted(items, omitted, max);
            assert!(length <= max || max == 1, "{length} {max}");
            assert_eq!((titles, with_notes, told.as_str()), (shown, notes, rest), "{items} {max}");
        }
    }

    #[test]
    fn one_more_line_would_not_have_fitted() {
        for max in (200..4000).step_by(37) {
            let (length, shown, _, _) = fitted(100, 0, max);
            assert!(length <= max && shown < 100, "{max}");
            assert!(max < length + 2 * 80, "{max} would have room for more than {shown}");
        }
    }
}
