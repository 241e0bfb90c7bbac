//! What a client without memory needs for the same requests: the floor under our figures.

use std::{sync::Arc, time::Duration, time::Instant};

use serde::Deserialize;
use tokio::task::JoinSet;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tasks: Vec<Task<'a>>,
}

#[derive(Deserialize)]
struct Task<'a> {
    #[serde(borrow)]
    task_id: std::borrow::Cow<'a, str>,
}

pub(crate) fn client() -> reqwest::Client {
    taskbell::http::install_crypto();
    reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap()
}

/// Reads a list to its empty page.
pub(crate) async fn poll(cloud: &str, project: &str) -> Duration {
    let began = Instant::now();
    let client = client();
    let (mut offset, mut bytes) = (0, 0);
    loop {
        let url = format!("{cloud}/v3/{project}/failed-tasks?limit=1000&offset={offset}");
        let answer =
            client.get(url).header("x-auth-token", "simulator-token").send().await.unwrap();
        let body = answer.bytes().await.unwrap();
        let page: Page<'_> = serde_json::from_slice(&body).unwrap();
        bytes += page.tasks.iter().map(|task| task.task_id.len()).sum::<usize>();
        if page.tasks.is_empty() {
            assert!(bytes < usize::MAX);
            return began.elapsed();
        }
        offset += page.tasks.len();
    }
}

/// Posts `count` bodies over 64 connections.
pub(crate) async fn post(hook: &str, count: usize) -> Duration {
    let began = Instant::now();
    let client = client();
    let body = Arc::new("x".repeat(700));
    let mut workers = JoinSet::new();
    for worker in 0..64 {
        let (client, hook, body) = (client.clone(), hook.to_owned(), Arc::clone(&body));
        let mine = count / 64 + usize::from(worker < count % 64);
        workers.spawn(async move {
            for _ in 0..mine {
                let sent = client.post(&hook).body(body.as_str().to_owned()).send().await;
                assert!(sent.unwrap().status().is_success());
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
    began.elapsed()
}
