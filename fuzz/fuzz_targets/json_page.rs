//! Answers of any service: no answer panics, whatever leads to the next page.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskbell::source::fuzz::json_page(data));
