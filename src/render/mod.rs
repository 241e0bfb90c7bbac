//! Notices as people read them: a headline, plain text and HTML.
//!
//! Pure, so the same notice gives the same bytes. [`story`] decides what is said, a language puts
//! it into words, and a layout puts the words in order. A sink is given its [`Words`] once, with
//! the operator's language, time zone, hints and templates in them; the free functions are the
//! same without any of that.

use std::sync::{Arc, LazyLock};

use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind},
    text,
};

mod chinese;
mod english;
mod hint;
mod html;
mod plain;
mod speech;
mod story;
mod zone;

pub use hint::{HINT_BYTES_MAX, Hint, Hints};
pub use speech::Language;
pub use story::{Fact, ITEMS_IN_FULL_MAX, Item, Story};
pub use zone::Zone;

use speech::Speech;
use story::Teller;

/// Longest name in a headline. Subjects are cut by every mail client at about this length.
const SHORT_BYTES_MAX: usize = 60;

/// In which language, time zone and with which hints notices are written.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// The language.
    pub language: Language,
    /// The zone of all times.
    pub zone: Zone,
    /// The operator's hints, and those that are built in.
    pub hints: Arc<Hints>,
}

impl Style {
    fn speech(&self) -> &'static dyn Speech {
        self.language.speech()
    }

    fn hint(&self, failure: &Failure) -> Option<Hint<'_>> {
        self.hints.of(&failure.task.text, self.language)
    }
}

/// How notices are put into words for one sink. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Words(Arc<Style>);

impl Words {
    /// Words of one style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self(Arc::new(style))
    }

    /// What happened, on one line without a full stop: for subjects and titles.
    #[must_use]
    pub fn headline(&self, notice: &Notice) -> String {
        let speech = self.0.speech();
        speech.about(notice.subject(), &speech.headline(notice))
    }

    /// The subject of the thread that a notice belongs to, without any prefix.
    ///
    /// The headline, except that a cleared failure keeps the one it was told under: mail clients
    /// put together what has the same subject.
    #[must_use]
    pub fn thread_headline(&self, notice: &Notice) -> String {
        match (notice.kind, notice.failures.as_slice()) {
            (NoticeKind::TaskCleared, [one]) if notice.total == 1 => {
                let speech = self.0.speech();
                speech.about(notice.subject(), &speech.what_failed(one))
            }
            _ => self.headline(notice),
        }
    }

    /// The whole notice as plain text. Lines end in `\n` and are not wrapped.
    #[must_use]
    pub fn plain(&self, notice: &Notice) -> String {
        plain::plain(&self.story(notice), &self.0)
    }

    /// The whole notice as an HTML page of its own.
    #[must_use]
    pub fn html(&self, notice: &Notice) -> String {
        html::html(&self.story(notice), notice.kind, self.0.language)
    }

    /// The notice in words, part by part, for a layout of one's own.
    #[must_use]
    pub fn story(&self, notice: &Notice) -> Story {
        Teller { style: &self.0, notice }.story()
    }

    /// What to do about a failure, if anybody knows.
    #[must_use]
    pub fn hint(&self, failure: &Failure) -> Option<Hint<'_>> {
        self.0.hint(failure)
    }
}

/// English, UTC, and the hints that are built in.
static DEFAULT: LazyLock<Words> = LazyLock::new(Words::default);

/// [`Words::headline`] in the default style.
#[must_use]
pub fn headline(notice: &Notice) -> String {
    DEFAULT.headline(notice)
}

/// [`Words::thread_headline`] in the default style.
#[must_use]
pub fn thread_headline(notice: &Notice) -> String {
    DEFAULT.thread_headline(notice)
}

/// [`Words::plain`] in the default style.
#[must_use]
pub fn plain(notice: &Notice) -> String {
    DEFAULT.plain(notice)
}

/// [`Words::html`] in the default style.
#[must_use]
pub fn html(notice: &Notice) -> String {
    DEFAULT.html(notice)
}

fn short(raw: &str) -> String {
    text::clean(raw, SHORT_BYTES_MAX)
}

/// The first letter in upper case.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The first letter in lower case. For texts that begin with one of our own words.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
