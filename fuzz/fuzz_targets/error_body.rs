//! Bodies of refusals: none panics, none shows a secret.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskbell::source::fuzz::error_body(data));
