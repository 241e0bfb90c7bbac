//! Requests to a receiver: none is believed that nobody signed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskbell::cli::fuzz_verify(data));
