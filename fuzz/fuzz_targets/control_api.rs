//! Requests to the control socket: none panics, none is answered with 500.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| taskbell::admin::fuzz::control(data));
