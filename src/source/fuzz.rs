//! What the fuzz targets call. Only a fuzzing build has it; see `fuzz/`.

use reqwest::header::{HeaderMap, HeaderValue};

use super::{
    huawei::fault::{self, Refusal},
    json, kps, sdrs,
};
use crate::http;

/// What must not be shown.
const SECRET: &str = "s3cret-s3cret";

/// Pages of the cloud's lists.
pub fn cloud_page(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for read in [kps::page::read, sdrs::page::read] {
        let mut rows = 0;
        let page = read(&text, &mut |row| {
            rows += 1;
            drop((row.key(), row.text_crc(), row.to_task()));
        });
        if let Ok(page) = page {
            assert_eq!(page.rows, rows, "every row is handed on");
        }
    }
}

/// Answers of any service.
pub fn json_page(data: &[u8]) {
    json::fuzz(&String::from_utf8_lossy(data));
}

/// Bodies of refusals.
pub fn error_body(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let status = 300 + u16::from(*first);
    let (headers, secrets) = (HeaderMap::new(), [SECRET]);
    let refusal = Refusal { who: "it", status, headers: &headers, body, secrets: &secrets };
    let shown = fault::of_refusal(&refusal, jiff::Timestamp::UNIX_EPOCH).error.to_string();
    let quoted = fault::quote(body, &secrets).unwrap_or_default();
    assert!(!shown.contains(SECRET) && !quoted.contains(SECRET), "{shown} {quoted}");
    assert!(shown.len() < 2048 && quoted.len() < 2048, "bounded");
}

/// `Retry-After` and `Link`.
pub fn headers(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", value.clone());
    drop(http::retry_after(&headers, jiff::Timestamp::UNIX_EPOCH));
    drop(value.to_str().map(json::fuzz_link));
}
