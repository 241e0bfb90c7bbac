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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_are_no_markup() {
        assert_eq!(
            lookalikes("![a](http://x) <@u> **b** `c`"),
            "!［a］(http://x) ＜@u> ＊＊b＊＊ 'c'"
        );
    }
}
