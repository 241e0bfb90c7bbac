//! Small real receivers on loopback, for the demo and the tests.
//!
//! They speak HTTP and SMTP over real sockets, remember what arrived, and answer as they are
//! told to: refuse, dawdle, fall silent, hang up. Dropping one closes its port and every
//! connection to it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinSet,
};

mod smtp;
mod webhook;

pub use smtp::{MailArrival, SmtpAnswers, SmtpReceiver, SmtpTls};
pub use webhook::{HttpAnswer, HttpReply, WebhookArrival, WebhookReceiver};

/// Most arrivals that are remembered; then the oldest go. A demo that runs for a week must not
/// fill the memory.
const ARRIVALS_MAX: usize = 10_000;

/// How many arrivals a slow watcher may lag behind before it misses some.
const WATCHER_LAG_MAX: usize = 1024;

/// Most bytes of one request or mail.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Longest line of a head or a command.
const LINE_BYTES_MAX: u64 = 16 * 1024;

/// What a conversation runs over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What arrived so far, and who wants to know.
#[derive(Debug)]
struct Arrivals<T> {
    kept: Mutex<Vec<T>>,
    watchers: broadcast::Sender<T>,
}

impl<T: Clone> Arrivals<T> {
    fn new() -> Self {
        Self { kept: Mutex::new(Vec::new()), watchers: broadcast::channel(WATCHER_LAG_MAX).0 }
    }

    fn push(&self, arrival: T) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ARRIVALS_MAX {
            // In large steps, since each one moves all that stay.
            kept.drain(..ARRIVALS_MAX / 2);
        }
        kept.push(arrival.clone());
        drop(kept);
        // That nobody watches is not an error.
        drop(self.watchers.send(arrival));
    }

    fn all(&self) -> Vec<T> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Accepts connections and serves each in a task of its own.
async fn accept<F, S>(listen: SocketAddr, serve: F) -> io::Result<(SocketAddr, JoinSet<()>)>
where
    F: Fn(TcpStream) -> S + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let serve = Arc::new(serve);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        open.spawn(serve(stream));
                    }
                    // Too many open files, or a client that left at once.
                    Err(_) => tokio::task::yield_now().await,
                },
                Some(_) = open.join_next() => (),
            }
        }
    });
    Ok((address, tasks))
}
