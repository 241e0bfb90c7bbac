//! What the fuzz targets call. Only a fuzzing build has it; see `fuzz/`.

use std::{path::Path, sync::OnceLock};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    runtime::{Builder, Runtime},
};

use super::{Admin, socket};
use crate::{app, config::Config, store};

/// A worker with one source, which is never asked, and one sink, which nobody takes.
const CONFIG: &str = r#"
[[source]]
name = "cloud"
kind = "kps"
endpoint = "http://127.0.0.1:9"
project_id = "0123456789abcdef0123456789abcdef"
auth = { kind = "token", token = "t" }
[[sink]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:9/"
[[route]]
to = ["hook"]
"#;

/// Most bytes of an answer. The description of the API is the largest one.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Whatever whoever can open the control socket sends.
pub fn control(data: &[u8]) {
    static SERVER: OnceLock<(Runtime, Router)> = OnceLock::new();
    // A plan would ask the cloud.
    if data.windows(4).any(|part| part == b"plan" || part == b"diff") {
        return;
    }
    let (runtime, router) = SERVER.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let config = Config::parse(CONFIG, Path::new("config.toml")).expect("a good config");
        let memory = runtime.block_on(store::open_memory()).expect("memory");
        let worker =
            app::worker(&config, std::sync::Arc::new(memory), &crate::source::Standings::default())
                .expect("a worker");
        (runtime, socket::router(Admin::of(worker)))
    });
    runtime.block_on(async {
        let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = TowerToHyperService::new(router.clone());
        let serving = http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
        let asking = async {
            drop(ours.write_all(data).await);
            drop(ours.shutdown().await);
            let mut answer = Vec::new();
            let most = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
            drop((&mut ours).take(most).read_to_end(&mut answer).await);
            assert!(answer.len() < ANSWER_BYTES_MAX, "bounded");
            let failed = answer.starts_with(b"HTTP/1.1 500");
            assert!(!failed, "{}", String::from_utf8_lossy(&answer));
        };
        drop(tokio::join!(serving, asking));
    });
}
