//! What lies in a store: damage is an error, never a panic.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskbell::store::fuzz::records(data));
