//! The HTML of a mail.
//!
//! Mail clients read the HTML of twenty years ago: tables, styles at each element, nothing
//! fetched from elsewhere. The skeletons are in `templates/`. A notice of many failures has a
//! row each instead of a card, since some clients cut a mail at 100 KiB.

use std::fmt::Write as _;

use super::{failed_at, fields, foot, headline, lead, short, still_open, title};
use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind},
    task::NAME_BYTES_MAX,
    text,
};

const PAGE: &str = include_str!("../../templates/mail.html");
const CARD: &str = include_str!("../../templates/mail_card.html");
const ROW: &str = include_str!("../../templates/mail_row.html");

/// Most failures that are shown as cards. More have a row each.
const CARDS_MAX: usize = 10;

/// Longest message in a row.
const ROW_MESSAGE_BYTES_MAX: usize = 160;

/// The whole notice as an HTML page of its own.
#[must_use]
pub fn html(notice: &Notice) -> String {
    let headline = escape(&headline(notice));
    // The headline stands in larger letters below the source's name, and need not repeat it.
    let own = format!("{}: ", notice.subject());
    let short_headline = headline.strip_prefix(&own).map_or(headline.clone(), capital);
    let region = notice.source.as_ref().map_or("", |source| source.region.as_str());
    let region = text::clean(region, NAME_BYTES_MAX);
    let dot = if region.is_empty() { "" } else { " · " };
    let source = format!("{}{dot}{region}", notice.subject());
    let foot: Vec<String> = foot(notice).iter().map(|line| escape(line)).collect();
    let more = still_open(notice).map_or_else(String::new, |more| {
        format!(
            "<tr><td class=\"pad dim\" style=\"padding:14px 28px 0;font-size:14px;\
             line-height:21px;color:#5f6b73\">{}</td></tr>\n",
            escape(&more)
        )
    });
    fill(
        PAGE,
        &[
            ("title", &headline),
            ("preheader", &escape(&preheader(notice))),
            ("accent", accent(notice.kind)),
            ("source", &escape(&source)),
            ("headline", &short_headline),
            ("lead", &escape(lead(notice))),
            ("failures", &failures(&notice.failures)),
            ("more", &more),
            ("foot", &foot.join("<br>\n")),
        ],
    )
}

/// What a mailbox shows behind the subject.
fn preheader(notice: &Notice) -> String {
    let message = match notice.failures.as_slice() {
        [one] => one.task.text.error_message.as_deref(),
        _ => None,
    };
    message.map_or_else(|| lead(notice).to_owned(), |raw| text::clean(raw, ROW_MESSAGE_BYTES_MAX))
}

fn accent(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::TaskFailed
        | NoticeKind::Digest
        | NoticeKind::StormOpened
        | NoticeKind::StormUpdated => "#c8372d",
        NoticeKind::TaskCleared | NoticeKind::SourceSighted => "#2e8540",
        NoticeKind::StateLost
        | NoticeKind::TaskReminder
        | NoticeKind::TaskStuck
        | NoticeKind::SinkFailing
        | NoticeKind::SourceBlind => "#b7791f",
        NoticeKind::SourceWatching | NoticeKind::StormClosed | NoticeKind::Test => "#2b6cb0",
    }
}

fn failures(failures: &[Failure]) -> String {
    if failures.len() <= CARDS_MAX {
        let alone = failures.len() == 1;
        return failures.iter().map(|failure| card(failure, alone)).collect();
    }
    let rows: String = failures.iter().map(row).collect();
    format!(
        "<tr><td class=\"pad\" style=\"padding:14px 28px 0\">\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
         style=\"table-layout:fixed;font-size:13px;line-height:19px\">\n{rows}</table></td></tr>\n"
    )
}

/// A failure that is `alone` has its title above the card, as the headline.
fn card(failure: &Failure, alone: bool) -> String {
    let mut lines = String::new();
    if !alone {
        let _infallible = writeln!(
            lines,
            "<tr><td colspan=\"2\" class=\"ink\" style=\"padding:0 0 4px;font-size:15px;\
             line-height:22px;font-weight:600;color:#1b2226;word-break:break-word\">{}{}</td></tr>",
            escape(&title(failure)),
            code(failure)
        );
    }
    for (label, value) in fields(failure, alone) {
        let _infallible = writeln!(
            lines,
            "<tr><td class=\"dim label\" style=\"width:104px;padding:2px 8px 2px 0;color:#5f6b73;\
             vertical-align:top\">{label}</td><td class=\"ink\" style=\"padding:2px 0;\
             color:#1b2226;word-break:break-word\">{}</td></tr>",
            escape(&value)
        );
    }
    fill(CARD, &[("lines", &lines)])
}

fn row(failure: &Failure) -> String {
    let text = &failure.task.text;
    let message = text.error_message.as_deref().map_or_else(String::new, |raw| {
        format!("<br>{}", escape(&text::clean(raw, ROW_MESSAGE_BYTES_MAX)))
    });
    let mut detail = vec![failed_at(failure)];
    detail.extend(text.keypair.as_deref().map(|raw| format!("key pair {}", short(raw))));
    detail.push(format!("task {}", text::clean(&failure.task.id, NAME_BYTES_MAX)));
    fill(
        ROW,
        &[
            ("title", &escape(&title(failure))),
            ("code", &code(failure)),
            ("message", &message),
            ("detail", &escape(&detail.join(" · "))),
        ],
    )
}

/// The error code as a small badge.
fn code(failure: &Failure) -> String {
    failure.task.text.error_code.as_deref().map_or_else(String::new, |code| {
        format!(
            " <span class=\"code\" style=\"background:#e4e8eb;border-radius:3px;padding:1px 6px;\
             font-size:12px;font-weight:400;color:#1b2226\">{}</span>",
            escape(&short(code))
        )
    })
}

/// The first letter in upper case.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
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
