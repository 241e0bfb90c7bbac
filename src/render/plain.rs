//! A notice as plain text. Lines end in `\n` and are not wrapped.

use std::fmt::Write as _;

use super::{
    Style,
    story::{Fact, ITEMS_IN_FULL_MAX, Item, Story},
};

/// Longest message in a notice of many. A line, not a paragraph.
const BRIEF_MESSAGE_BYTES_MAX: usize = 160;

/// The whole notice.
pub(super) fn plain(story: &Story, style: &Style) -> String {
    let columns = style.speech().label_columns();
    let mut out = format!("{}\n\n{}\n", story.headline, story.lead);
    facts(&mut out, columns, &story.facts, true);
    let alone = story.items.len() == 1;
    let in_full = story.items.len() <= ITEMS_IN_FULL_MAX;
    for item in &story.items {
        out.push('\n');
        if !alone {
            out.push_str(&item.titled);
            out.push('\n');
        }
        if in_full {
            facts(&mut out, columns, &item.facts, false);
        } else {
            brief(&mut out, item);
        }
    }
    facts(&mut out, columns, &story.hints, true);
    if !story.more.is_empty() {
        let _infallible = writeln!(out, "\n{}", story.more.join("\n"));
    }
    // Mail clients take this line, with its space, for the beginning of a signature.
    let _infallible = writeln!(out, "\n-- \n{}", story.foot.join("\n"));
    out
}

fn brief(out: &mut String, item: &Item) {
    if let Some(message) = &item.message {
        let message = crate::text::clean(message, BRIEF_MESSAGE_BYTES_MAX);
        let _infallible = writeln!(out, "  {message}");
    }
    let _infallible = writeln!(out, "  {}", item.brief.join(" · "));
}

fn facts(out: &mut String, columns: usize, facts: &[Fact], apart: bool) {
    if apart && !facts.is_empty() {
        out.push('\n');
    }
    for Fact { label, value, link } in facts {
        let gap = columns.saturating_sub(width(label)).max(1);
        let link = link.as_ref().map_or_else(String::new, |link| format!(" {link}"));
        let _infallible = writeln!(out, "  {label}{:gap$}{value}{link}", "");
    }
}

/// Columns of a terminal. Ideographs and full-width marks take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if ('\u{1100}'..='\u{FFEF}').contains(&c) { 2 } else { 1 }).sum()
}
