//! Makes a notice fit: less detail first, then fewer failures, and always a word about the rest.
//!
//! Each kind says how a [`View`] becomes its payload and whether a payload is small enough, in
//! the service's own unit and after all escaping. Nothing is ever split into several messages.

use crate::{
    render::{Brief, BriefItem, Pair, Tone},
    text,
};

/// Most failures that are shown with all their facts. More have a line each.
const CARDS_MAX: usize = 3;

/// Longest values, tried in this order. The first is longer than any.
const VALUE_BYTES: [usize; 3] = [4096, 200, VALUE_BYTES_MIN];

/// As much of a value as is worth to be shown.
const VALUE_BYTES_MIN: usize = 60;

/// Longest leads, tried in this order when nothing else is left to leave out. Ours are a few
/// sentences; those of the operator's own words may be pages.
const LEAD_BYTES: [usize; 5] = [16_384, 4096, 1024, 256, 64];

/// As much of a notice as is shown.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    pub(super) tone: Tone,
    pub(super) headline: &'a str,
    /// One line, or several.
    pub(super) lead: String,
    pub(super) notes: Vec<Pair>,
    pub(super) items: Vec<Shown>,
    /// How many failures are not shown and how to see them; then, how many others stand.
    pub(super) more: Vec<String>,
    pub(super) foot: &'a [String],
}

/// As much of a failure as is shown. Neither title nor facts may be there.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) title: String,
    pub(super) facts: Vec<Pair>,
}

impl Shown {
    /// All of it, without markup.
    pub(super) fn plain(&self) -> String {
        let title = Some(self.title.clone()).filter(|title| !title.is_empty());
        title.into_iter().chain(self.facts.iter().map(plain_pair)).collect::<Vec<_>>().join("\n")
    }
}

/// "Label: value", without markup.
pub(super) fn plain_pair((label, value): &Pair) -> String {
    format!("{label}: {value}")
}

/// How much is shown.
#[derive(Clone, Copy)]
struct Cut {
    items: usize,
    with_facts: bool,
    value_bytes: usize,
    with_notes: bool,
    with_hints: bool,
    lead_bytes: usize,
}

impl<'a> View<'a> {
    fn of(brief: &'a Brief, cut: Cut) -> Self {
        let short = |(label, value): &Pair| (label.clone(), text::clean(value, cut.value_bytes));
        let shown = |item: &BriefItem| {
            if cut.with_facts {
                let facts = item.facts.iter().map(short).collect();
                return Shown { title: item.title.clone(), facts };
            }
            Shown { title: item.line(cut.value_bytes), facts: Vec::new() }
        };
        let notes = brief.notes.iter().filter(|_| cut.with_notes);
        let hints = brief.hints.iter().filter(|_| cut.with_hints);
        Self {
            tone: brief.tone,
            headline: &brief.headline,
            lead: beginning(&brief.lead, cut.lead_bytes),
            items: brief.items.iter().take(cut.items).map(shown).collect(),
            notes: notes.chain(hints).map(short).collect(),
            more: brief.rest(cut.items).into_iter().chain(brief.more.clone()).collect(),
            foot: &brief.foot,
        }
    }
}

/// As much of `text` as has room in `bytes_max`, and a sign if that is not all.
fn beginning(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut out = String::with_capacity(bytes_max + 4);
    out.extend(text.char_indices().take_while(|(at, _)| *at < bytes_max).map(|(_, c)| c));
    out.push('…');
    out
}

/// The fullest payload that fits; the barest one if none does, which no service's limit makes
/// happen.
pub(super) fn fit<T>(brief: &Brief, make: impl Fn(&View<'_>) -> T, fits: impl Fn(&T) -> bool) -> T {
    let all = brief.items.len();
    let payload = |cut| make(&View::of(brief, cut));
    let cuts = [true, false].into_iter().flat_map(|with_facts| {
        VALUE_BYTES.map(|value_bytes| Cut {
            items: all,
            with_facts,
            value_bytes,
            with_notes: true,
            // A hint that is cut to a few words is none.
            with_hints: !with_facts && value_bytes != VALUE_BYTES_MIN,
            lead_bytes: usize::MAX,
        })
    });
    for cut in cuts.filter(|cut| !cut.with_facts || all <= CARDS_MAX) {
        let found = payload(cut);
        if fits(&found) {
            return found;
        }
    }
    let mut cut = Cut {
        items: 0,
        with_facts: false,
        value_bytes: VALUE_BYTES_MIN,
        with_notes: true,
        with_hints: false,
        lead_bytes: usize::MAX,
    };
    let mut best = payload(cut);
    if !fits(&best) {
        cut.with_notes = false;
        best = payload(cut);
    }
    for lead_bytes in LEAD_BYTES {
        if !fits(&best) {
            cut.lead_bytes = lead_bytes;
            best = payload(cut);
        }
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
        let mut paragraphs = vec![view.lead.lines().map(escape).collect(), notes.collect()];
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
    use crate::render::Language;

    const PLAIN: Markup =
        Markup { escape: str::to_owned, strong: ("", ""), line_end: "\n", with_foot: true };

    fn brief(items: usize, omitted: u32) -> Brief {
        let item = BriefItem {
            title: "title".into(),
            message: Some("m".repeat(1000)),
            at: "now".into(),
            facts: vec![("Message".into(), "m".repeat(1000))],
        };
        Brief {
            tone: Tone::Bad,
            headline: "headline".into(),
            lead: "lead".into(),
            items: vec![item; items],
            notes: vec![("Note".into(), "n".repeat(300))],
            hints: Vec::new(),
            more: None,
            foot: vec!["foot".into()],
            omitted,
            list_command: "taskbell failure list".into(),
            language: Language::English,
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
            (2, 0, 10_000, 2, true, 0),
            (2, 0, 1_000, 2, true, 0),
            (2, 0, 300, 2, true, 0),
            (10, 0, 100_000, 10, true, 0),
            (10, 0, 600, 5, true, 5),
            (10, 90, 600, 5, true, 95),
            (10, 0, 110, 0, false, 10),
            (10, 0, 1, 0, false, 10),
        ] {
            let (length, titles, with_notes, told) = fitted(items, omitted, max);
            assert!(length <= max || max == 1, "{length} {max}");
            let rest = match rest {
                0 => String::new(),
                _ => format!(
                    "{rest} of them are not listed here; `taskbell failure list` lists them."
                ),
            };
            assert_eq!((titles, with_notes, told), (shown, notes, rest), "{items} {max}");
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

    #[test]
    fn hints_are_shown_where_facts_are_not_and_go_before_failures_do() {
        let mut brief = brief(10, 0);
        brief.hints = vec![("For 9 of them".into(), "h".repeat(100))];
        let fitted = |max| fit(&brief, |view| PLAIN.body(view), |body| body.len() <= max);
        for (max, hinted, shown) in [(100_000, true, 10), (3_000, true, 10), (1_200, false, 10)] {
            let body = fitted(max);
            let actual = (body.contains("For 9 of them"), body.matches("title").count());
            assert_eq!(actual, (hinted, shown), "{max}: {body}");
        }
    }

    #[test]
    fn a_long_lead_is_cut_last_and_between_characters() {
        let mut brief = brief(0, 0);
        brief.lead = "服务器\n".repeat(1000);
        for (max, expected) in [(11_000, 10_000), (5_000, 4096), (300, 256), (1, 64)] {
            let lead = fit(&brief, |view| view.lead.clone(), |lead| lead.len() <= max);
            assert!(lead.len().abs_diff(expected) < 6, "{max}: {}", lead.len());
        }
    }
}
