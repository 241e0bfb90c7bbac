//! Pages of the cloud's lists: no page panics, every row that was read is handed on.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskbell::source::fuzz::cloud_page(data));
