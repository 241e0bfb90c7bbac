//! A server that says what the test scripts, byte for byte.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// One request that arrived.
#[derive(Clone, Debug)]
pub(in crate::source) struct Asked {
    pub(in crate::source) head: String,
    pub(in crate::source) limit: usize,
    pub(in crate::source) offset: usize,
}

impl Asked {
    fn parse(head: String) -> Self {
        let target = head.split(' ').nth(1).unwrap_or_default();
        let number = |name: &str| {
            let pairs = target.split(['?', '&']).filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(key, _)| *key == name).and_then(|(_, n)| n.parse().ok())
        };
        let number = |name: &str| number(name).unwrap_or_default();
        Self { limit: number("limit"), offset: number("offset"), head }
    }

    /// Path and query.
    pub(in crate::source) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub(in crate::source) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Answers each request by calling a script with its number, from 0 on. Ends with the test.
pub(in crate::source) struct Server {
    pub(in crate::source) origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: JoinSet<()>,
}

impl Server {
    pub(in crate::source) async fn start(
        mut script: impl FnMut(usize, &Asked) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(head) = read_head(&mut stream).await else { continue };
                let request = Asked::parse(head);
                let number = log.lock().unwrap().len();
                log.lock().unwrap().push(request.clone());
                let answer = script(number, &request);
                // A client that hangs up early is part of some tests.
                drop(stream.write_all(&answer).await);
                drop(stream.shutdown().await);
            }
        });
        Self { origin, asked, _task: task }
    }

    pub(in crate::source) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The offsets asked for, in order.
    pub(in crate::source) fn offsets(&self) -> Vec<usize> {
        self.asked().iter().map(|asked| asked.offset).collect()
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// An answer with a body. `headers` are lines that end in `\r\n`.
pub(in crate::source) fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Word\r\n{headers}connection: close\r\n");
    write!(text, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    text.into_bytes()
}

pub(in crate::source) fn ok(body: &Value) -> Vec<u8> {
    answer(200, "content-type: application/json\r\n", &body.to_string())
}

/// A row with the id `id`.
pub(in crate::source) fn task(id: usize) -> Value {
    json!({
        "task_id": format!("task-{id}"), "operate_type": "FAILED_RESET",
        "task_time": "1523342130000", "task_error_code": null, "server_name": "web",
    })
}

/// The page that a well-behaved list of `rows` gives, with at most `cap` rows.
pub(in crate::source) fn slice(rows: &[Value], asked: &Asked, cap: usize) -> Vec<Value> {
    rows.iter().skip(asked.offset).take(asked.limit.min(cap)).cloned().collect()
}
