//! A notice as an RFC 5322 message.
//!
//! The bytes are a function of the notice and the options: the boundary, the date and the
//! `Message-ID` come from the notice. So a repeat after a lost answer has the same id, and a
//! client that drops duplicates drops it.
//!
//! There is no mail that a thread begins with. Each failure has a made-up root that every mail
//! about it refers to, so that the cleared notice is shown below the failed one even where the
//! two were grouped differently.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::{
    Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};

use crate::{
    notice::{Notice, NoticeKind, thread_id},
    render::Words,
};

/// Most thread roots that a mail refers to. With more, the header is longer than the mail, and
/// clients look at the last few anyway.
const ROOTS_MAX: usize = 10;

/// Who writes to whom.
#[derive(Clone, Debug)]
pub(super) struct Letterhead {
    pub(super) from: Mailbox,
    /// Never empty.
    pub(super) to: Vec<Mailbox>,
    pub(super) reply_to: Option<Mailbox>,
}

/// The whole message: headers, text and HTML. ASCII, lines end in CRLF.
pub(super) fn message(head: &Letterhead, words: &Words, notice: &Notice) -> Vec<u8> {
    let domain = head.from.email.domain();
    let mut builder = Message::builder()
        .from(head.from.clone())
        .subject(subject(words, notice))
        .date(date(notice.created_at))
        .message_id(Some(format!("<{}@{domain}>", notice.id)));
    for mailbox in &head.to {
        builder = builder.to(mailbox.clone());
    }
    if let Some(mailbox) = &head.reply_to {
        builder = builder.reply_to(mailbox.clone());
    }
    let roots: Vec<String> = notice
        .failures
        .iter()
        .take(ROOTS_MAX)
        .map(|failure| format!("<{}@{domain}>", thread_id(failure)))
        .collect();
    if !roots.is_empty() {
        builder = builder.in_reply_to(roots.join(" ")).references(roots.join(" "));
    }
    let list = format!("taskbell <{}.taskbell.{domain}>", notice.sink);
    for (name, value) in [
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("List-Id", &list),
    ] {
        let name = HeaderName::new_from_ascii_str(name);
        builder = builder.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    // `=_` cannot stand in quoted-printable text, so the boundary is in no part.
    let parts = MultiPart::alternative()
        .boundary(format!("=_{}", notice.id))
        .singlepart(part(ContentType::TEXT_PLAIN, words.plain(notice)))
        .singlepart(part(ContentType::TEXT_HTML, words.html(notice)));
    let message = builder.multipart(parts);
    message.expect("there is a sender and a recipient").formatted()
}

fn part(content: ContentType, body: String) -> SinglePart {
    SinglePart::builder()
        .header(content)
        .header(ContentTransferEncoding::QuotedPrintable)
        .body(body)
}

/// Begins the same for everything from us, so that a filter can tell.
fn subject(words: &Words, notice: &Notice) -> String {
    let reply = match (notice.kind, notice.failures.len()) {
        (NoticeKind::TaskCleared, 1) => "Re: ",
        _ => "",
    };
    // A name that looks like an encoded word would be decoded by the reader's client, into
    // whatever its author wanted to be read.
    let headline = words.thread_headline(notice).replace("=?", "= ?");
    format!("{reply}[taskbell] {headline}")
}

/// Mail knows no date before 1970; a clock that was never set may.
fn date(at: Timestamp) -> SystemTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
