//! The few files that a page needs, each under a name that changes with what is in it.

use std::sync::LazyLock;

use axum::{
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};

use crate::admin::problem::Problem;

/// A file that is part of the program.
#[derive(Debug)]
pub(super) struct Asset {
    path: String,
    media: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(name: &str, ending: &str, media: &'static str, content: &'static str) -> Self {
        let path = format!("/assets/{name}-{:08x}.{ending}", crc32fast::hash(content.as_bytes()));
        Self { path, media, content }
    }

    /// Where it is asked for.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let style = include_str!("../../../templates/page/page.css");
    Asset::new("page", "css", "text/css; charset=utf-8", style)
});

pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let script = include_str!("../../../templates/page/page.js");
    Asset::new("page", "js", "text/javascript; charset=utf-8", script)
});

pub(super) static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let icon = include_str!("../../../templates/page/icon.svg");
    Asset::new("icon", "svg", "image/svg+xml", icon)
});

/// `/assets/{name}`
pub(in crate::admin) fn asset(path: &str) -> Response {
    for asset in [&STYLE, &SCRIPT, &ICON] {
        if asset.path == path {
            let headers = [
                (CONTENT_TYPE, asset.media),
                // The name changes with the content.
                (CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            return (headers, asset.content).into_response();
        }
    }
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path").into_response()
}
