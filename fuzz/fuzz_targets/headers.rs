//! `Retry-After` and `Link`: none panics.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskbell::source::fuzz::headers(data));
