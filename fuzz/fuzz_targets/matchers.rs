//! Conditions of routes and silences, and values for them.

#![no_main]

use taskbell::decide::route::Matcher;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (raw, value) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(matcher) = Matcher::parse(raw) {
        let shown = matcher.to_string();
        let again = Matcher::parse(&shown).expect("what is shown can be written");
        assert_eq!(matcher.holds_for(value), again.holds_for(value), "{raw:?} {shown:?}");
    }
});
