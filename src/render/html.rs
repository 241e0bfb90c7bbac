//! The HTML of a mail.
//!
//! Mail clients read the HTML of twenty years ago: tables, styles at each element, nothing
//! fetched from elsewhere. The skeletons are in `templates/`. A notice of many failures has a
//! row each instead of a card, since some clients cut a mail at 100 KiB.

use std::fmt::Write as _;

use super::{
    Language, Tone, capital,
    story::{Fact, ITEMS_IN_FULL_MAX, Item, Story},
};
use crate::{notice::NoticeKind, text};

const PAGE: &str = include_str!("../../templates/mail.html");
const CARD: &str = include_str!("../../templates/mail_card.html");
const ROW: &str = include_str!("../../templates/mail_row.html");

/// Longest message in a row.
const ROW_MESSAGE_BYTES_MAX: usize = 160;

/// The whole notice as an HTML page of its own.
pub(super) fn html(story: &Story, kind: NoticeKind, language: Language) -> String {
    let facts = if story.facts.is_empty() { String::new() } else { card(None, &story.facts) };
    // It stands in larger letters below the source's name, and need not repeat it.
    let headline = match language {
        Language::English => capital(&story.what),
        // Begins with a name more often than not.
        Language::Chinese => story.what.clone(),
    };
    let hints = if story.hints.is_empty() { String::new() } else { card(None, &story.hints) };
    fill(
        PAGE,
        &[
            ("lang", language.tag()),
            ("title", &escape(&story.headline)),
            ("preheader", &escape(&preheader(story))),
            ("accent", &Tone::of(kind).hex()),
            ("source", &escape(&place(story))),
            ("headline", &escape(&headline)),
            ("lead", &code_in(&escape(&story.lead))),
            ("facts", &facts),
            ("failures", &failures(&story.items)),
            ("hints", &hints),
            ("more", &more(&story.more)),
            ("foot", &foot(story)),
        ],
    )
}

/// The same page around a headline and a text of the operator's own.
pub(super) fn of_text(
    story: &Story,
    kind: NoticeKind,
    language: Language,
    (headline, text): (&str, &str),
) -> String {
    let text = format!(
        "<tr><td class=\"pad ink\" style=\"padding:10px 28px 0;font-size:14px;line-height:21px;\
         color:#1b2226;white-space:pre-wrap;word-break:break-word\">{}</td></tr>\n",
        escape(text.trim_end())
    );
    let headline = escape(headline);
    fill(
        PAGE,
        &[
            ("lang", language.tag()),
            ("title", &headline),
            ("preheader", ""),
            ("accent", &Tone::of(kind).hex()),
            ("source", &escape(&place(story))),
            ("headline", &headline),
            ("lead", ""),
            ("facts", &text),
            ("failures", ""),
            ("hints", ""),
            ("more", ""),
            ("foot", &foot(story)),
        ],
    )
}

/// The source, and where it is.
fn place(story: &Story) -> String {
    let dot = if story.place.is_empty() { "" } else { " · " };
    format!("{}{dot}{}", story.subject, story.place)
}

fn foot(story: &Story) -> String {
    story.foot.iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br>\n")
}

/// What a mailbox shows behind the subject.
fn preheader(story: &Story) -> String {
    let message = match story.items.as_slice() {
        [one] => one.message.as_deref(),
        _ => None,
    };
    text::clean(message.unwrap_or(&story.lead), ROW_MESSAGE_BYTES_MAX)
}

fn failures(items: &[Item]) -> String {
    if items.len() <= ITEMS_IN_FULL_MAX {
        let alone = items.len() == 1;
        // One that is alone has its title above the card, as the headline.
        return items.iter().map(|item| card((!alone).then_some(item), &item.facts)).collect();
    }
    let rows: String = items.iter().map(row).collect();
    format!(
        "<tr><td class=\"pad\" style=\"padding:14px 28px 0\">\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
         style=\"table-layout:fixed;font-size:13px;line-height:19px\">\n{rows}</table></td></tr>\n"
    )
}

fn more(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| code_in(&escape(line))).collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "<tr><td class=\"pad dim\" style=\"padding:14px 28px 0;font-size:14px;\
         line-height:21px;color:#5f6b73\">{}</td></tr>\n",
        lines.join("<br>\n")
    )
}

fn card(titled: Option<&Item>, facts: &[Fact]) -> String {
    let mut lines = String::new();
    if let Some(item) = titled {
        let _infallible = writeln!(
            lines,
            "<tr><td colspan=\"2\" class=\"ink\" style=\"padding:0 0 4px;font-size:15px;\
             line-height:22px;font-weight:600;color:#1b2226;word-break:break-word\">{}{}</td></tr>",
            escape(&item.title),
            code(item)
        );
    }
    for Fact { label, value, link } in facts {
        let link = link.as_ref().map_or_else(String::new, |link| {
            let link = escape(link);
            format!(" <a class=\"link\" href=\"{link}\" style=\"color:#2b6cb0\">{link}</a>")
        });
        let _infallible = writeln!(
            lines,
            "<tr><td class=\"dim label\" style=\"width:104px;padding:2px 8px 2px 0;color:#5f6b73;\
             vertical-align:top\">{}</td><td class=\"ink\" style=\"padding:2px 0;\
             color:#1b2226;word-break:break-word\">{}{link}</td></tr>",
            escape(label),
            escape(value)
        );
    }
    fill(CARD, &[("lines", &lines)])
}

fn row(item: &Item) -> String {
    let message = item.message.as_deref().map_or_else(String::new, |message| {
        format!("<br>{}", escape(&text::clean(message, ROW_MESSAGE_BYTES_MAX)))
    });
    fill(
        ROW,
        &[
            ("title", &escape(&item.title)),
            ("code", &code(item)),
            ("message", &message),
            ("detail", &detail(&item.brief)),
        ],
    )
}

/// The last part is the task's id, which reads badly in two pieces.
fn detail(brief: &[String]) -> String {
    let Some((last, others)) = brief.split_last() else { return String::new() };
    let others: String = others.iter().map(|part| escape(part) + " · ").collect();
    format!("{others}<span style=\"white-space:nowrap\">{}</span>", escape(last))
}

/// The error code as a small badge.
fn code(item: &Item) -> String {
    item.code.as_deref().map_or_else(String::new, |code| {
        format!(
            " <span class=\"code\" style=\"background:#e4e8eb;border-radius:3px;padding:1px 6px;\
             font-size:12px;font-weight:400;color:#1b2226\">{}</span>",
            escape(code)
        )
    })
}

/// Commands, which our own sentences have in backticks.
fn code_in(line: &str) -> String {
    let mut parts = line.split('`');
    let mut out = parts.next().unwrap_or_default().to_owned();
    while let Some(inside) = parts.next() {
        out.push_str("<code style=\"font-size:13px\">");
        out.push_str(inside);
        out.push_str("</code>");
        out.push_str(parts.next().unwrap_or_default());
    }
    out
}

/// Text as it must stand in HTML, between tags and in quotes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Puts `values`, which are HTML already, in the place of `{{name}}`. One pass: what is put in
/// is not looked at again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let size: usize = values.iter().map(|(_, value)| value.len()).sum();
    let mut out = String::with_capacity(template.len() + size);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        debug_assert!(value.is_some(), "no value for {name}");
        out.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_not_filled_again() {
        assert_eq!(fill("a {{x}} b {{y}}", &[("x", "{{y}}"), ("y", "1")]), "a {{y}} b 1");
        assert_eq!(fill("plain", &[]), "plain");
    }

    #[test]
    fn nothing_in_a_text_can_become_markup() {
        let hostile = "<img src=x onerror='a'>\"&amp;";
        assert_eq!(escape(hostile), "&lt;img src=x onerror=&#39;a&#39;&gt;&quot;&amp;amp;");
    }
}
