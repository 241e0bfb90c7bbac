//! Takes the power out of a stranger's text, each way for the services that read it so.
//!
//! All of it is text on one line, cleaned of control characters before it comes here, and always
//! stands behind a word of ours: what is markup at the start of a line only is no danger.

/// Replaces what begins a link, an image, a tag or a mention by a character that looks alike. For
/// markups that have no way to escape.
pub(super) fn lookalikes(raw: &str) -> String {
    let alike = |c| match c {
        '<' => '＜',
        '[' => '［',
        ']' => '］',
        '*' => '＊',
        '`' => '\'',
        c => c,
    };
    raw.chars().map(alike).collect()
}

/// A mark without width or meaning, which keeps apart what would belong together.
const APART: char = '\u{200B}';

/// Cuts an `@` off what follows it. For services that mention whom a text names and have no way to
/// forbid it.
pub(super) fn no_mentions(raw: &str) -> String {
    cut_off(raw, '@')
}

/// Cuts a `<` off what follows it. For texts in which `<users/all>` mentions and `&lt;` is shown as
/// it is.
pub(super) fn no_tags(raw: &str) -> String {
    cut_off(raw, '<')
}

fn cut_off(raw: &str, mark: char) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        out.push(c);
        if c == mark {
            out.push(APART);
        }
    }
    out
}

/// Puts a backslash before whatever means something in Markdown.
pub(super) fn markdown(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + raw.len() / 8);
    for c in raw.chars() {
        if r"\`*_~|[](){}<>#!".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Writes `& < >` as entities, as Slack and everything like HTML wants.
pub(super) fn entities(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + raw.len() / 8);
    for c in raw.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_mentioned_and_nothing_is_marked() {
        assert_eq!(no_mentions("@all a@b"), "@\u{200B}all a@\u{200B}b");
        assert_eq!(no_tags("<users/all>"), "<\u{200B}users/all>");
        assert_eq!(markdown(r"[a](b) \*c* d"), r"\[a\]\(b\) \\\*c\* d");
    }

    #[test]
    fn entities_leave_no_tag_and_no_entity_of_a_strangers() {
        assert_eq!(entities("<!channel> &lt;b&gt; \"'"), "&lt;!channel&gt; &amp;lt;b&amp;gt; \"'");
    }

    #[test]
    fn lookalikes_are_no_markup() {
        assert_eq!(
            lookalikes("![a](http://x) <@u> **b** `c`"),
            "!［a］(http://x) ＜@u> ＊＊b＊＊ 'c'"
        );
    }
}
