//! Archives: what is imported is whole, or refused.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskbell::store::fuzz::archive(data));
