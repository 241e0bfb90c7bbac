//! Notices as people read them: a headline, plain text and HTML.
//!
//! Pure, so the same notice gives the same bytes; all that is done beside is to log, once, that a
//! template failed. [`story`] decides what is said, a language puts
//! it into words, and a layout puts the words in order. A sink is given its [`Words`] once, with
//! the operator's language, time zone, hints and templates in them; the free functions are the
//! same without any of that.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use tracing::error;

use crate::{
    failure::Failure,
    notice::{Notice, NoticeKind},
    text,
};

mod brief;
mod chinese;
mod data;
mod english;
mod hint;
mod html;
mod plain;
mod sample;
mod speech;
mod story;
mod template;
mod zone;

pub use brief::{Brief, BriefItem, Pair, Tone};
pub use data::Data;
pub use hint::{HINT_BYTES_MAX, Hint, Hints};
pub use sample::sample;
pub use speech::Language;
pub use story::{Fact, ITEMS_IN_FULL_MAX, Item, Story};
pub use template::{Seen, Target, Template};
pub use zone::Zone;

use speech::Speech;
use story::Teller;

/// Longest name in a headline. Subjects are cut by every mail client at about this length.
const SHORT_BYTES_MAX: usize = 60;

/// Longest headline of the operator's own. What is longer is no headline.
const TITLE_BYTES_MAX: usize = 300;

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

/// The operator's own words, where there are any.
#[derive(Debug, Default)]
pub struct Templates {
    /// For [`Words::headline`].
    pub title: Option<Template>,
    /// For [`Words::plain`].
    pub text: Option<Template>,
    /// For [`Words::html`].
    pub html: Option<Template>,
}

/// How notices are put into words for one sink. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Words(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    style: Style,
    templates: Templates,
    /// Whether it was logged that a template failed.
    complained: AtomicBool,
}

impl Words {
    /// The built-in words in one style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self::with(style, Templates::default())
    }

    /// The operator's words, and the built-in ones in one style where there are none.
    #[must_use]
    pub fn with(style: Style, templates: Templates) -> Self {
        Self(Arc::new(Inner { style, templates, complained: AtomicBool::new(false) }))
    }

    /// The style.
    #[must_use]
    pub fn style(&self) -> &Style {
        &self.0.style
    }

    /// What happened, on one line without a full stop: for subjects and titles.
    #[must_use]
    pub fn headline(&self, notice: &Notice) -> String {
        let own = self.0.templates.title.as_ref().and_then(|own| self.fill(own, notice));
        own.filter(|title| !title.is_empty()).unwrap_or_else(|| self.built_in_headline(notice))
    }

    fn built_in_headline(&self, notice: &Notice) -> String {
        let speech = self.style().speech();
        speech.about(notice.subject(), &speech.headline(notice))
    }

    /// The subject of the thread that a notice belongs to, without any prefix.
    ///
    /// The headline, except that a cleared failure keeps the one it was told under: mail clients
    /// put together what has the same subject.
    #[must_use]
    pub fn thread_headline(&self, notice: &Notice) -> String {
        match (notice.kind, notice.failures.as_slice()) {
            (NoticeKind::TaskCleared, [one])
                if notice.total == 1 && self.0.templates.title.is_none() =>
            {
                let speech = self.style().speech();
                speech.about(notice.subject(), &speech.what_failed(one))
            }
            _ => self.headline(notice),
        }
    }

    /// The whole notice as plain text. Lines end in `\n` and are not wrapped.
    #[must_use]
    pub fn plain(&self, notice: &Notice) -> String {
        self.own_text(notice).unwrap_or_else(|| self.built_in_plain(notice))
    }

    /// The text in the operator's words, if there are any.
    fn own_text(&self, notice: &Notice) -> Option<String> {
        self.0.templates.text.as_ref().and_then(|own| self.fill(own, notice))
    }

    fn built_in_plain(&self, notice: &Notice) -> String {
        plain::plain(&self.story(notice), self.style())
    }

    /// The whole notice as an HTML page of its own.
    ///
    /// Whoever words the text and not the page gets a page of that text.
    #[must_use]
    pub fn html(&self, notice: &Notice) -> String {
        let html = &self.0.templates.html;
        let language = self.style().language;
        if let Some(own) = html.as_ref().and_then(|own| self.fill(own, notice)) {
            return own;
        }
        if let Some(own) = self.own_text(notice) {
            let headline = self.headline(notice);
            return html::of_text(&self.story(notice), notice.kind, language, (&headline, &own));
        }
        html::html(&self.story(notice), notice.kind, language)
    }

    /// What `template` writes about `notice`; `None` if it fails, which is logged once.
    #[must_use]
    pub fn fill(&self, template: &Template, notice: &Notice) -> Option<String> {
        match template.render(&Seen::of(notice, self)) {
            Ok(text) => Some(text),
            Err(problem) => {
                if !self.0.complained.swap(true, Ordering::Relaxed) {
                    error!(sink = %notice.sink, problem, "a template failed; built-in words are sent");
                }
                None
            }
        }
    }

    /// The notice in words, part by part, for a layout of one's own.
    #[must_use]
    pub fn story(&self, notice: &Notice) -> Story {
        Teller { style: self.style(), notice }.story()
    }

    /// The same for services with limits of their own, in parts that can be left out.
    #[must_use]
    pub fn brief(&self, notice: &Notice) -> Brief {
        Brief::of(notice, self)
    }

    /// The notice as data, for a payload of one's own.
    #[must_use]
    pub fn data<'a>(&'a self, notice: &'a Notice) -> Data<'a> {
        Data::of(notice, self)
    }

    /// What to do about a failure, if anybody knows.
    #[must_use]
    pub fn hint(&self, failure: &Failure) -> Option<Hint<'_>> {
        self.style().hint(failure)
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
