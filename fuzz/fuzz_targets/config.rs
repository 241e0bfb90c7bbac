//! Config files: none panics, and what is wrong is said in bounded words.

#![no_main]

use std::path::Path;

use taskbell::{config::Config, http::Clients};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    match Config::parse(&text, Path::new("config.toml")) {
        Ok(config) => drop((config.rules(), config.build_sinks(&Clients::default()))),
        Err(error) => drop((error.to_string(), format!("{error:?}"))),
    }
});
