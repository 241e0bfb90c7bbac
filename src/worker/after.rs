//! What follows a poll once it is recorded: a sign of life, a look at the running tasks, a round
//! of cleaning up. None of it delays what the poll found, and none of it can fail the poll.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::{Watched, Worker, cleanup, poll::Polled, running};
use crate::{
    heartbeat::{self, Heartbeat},
    http::Chain,
    source::FaultClass,
    store::StoreError,
};

/// Longest time for the looks that follow one poll. What is not done by then is left to the next.
const LOOKS_TIME_MAX: Duration = Duration::from_secs(30);

/// Where a source's signs of life go, and whether the last one was taken.
#[derive(Clone, Debug)]
pub struct Pulse {
    heartbeat: Heartbeat,
    failing: Arc<AtomicBool>,
}

impl Pulse {
    /// A pulse of which nothing is known yet.
    #[must_use]
    pub fn new(heartbeat: Heartbeat) -> Self {
        Self { heartbeat, failing: Arc::default() }
    }

    async fn beat(&self, polled: &(crate::name::Name, Option<&'static str>)) {
        let (source, class) = polled;
        match self.heartbeat.beat(*class).await {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    info!(%source, "the heartbeat is taken again");
                }
            }
            Err(error) => {
                let error = Chain(&error);
                // Once, and not with each poll.
                if self.failing.swap(true, Ordering::Relaxed) {
                    debug!(%source, %error, "the heartbeat was not taken");
                } else {
                    warn!(%source, %error, "the heartbeat was not taken");
                }
            }
        }
    }
}

/// Signs of life on their way.
#[derive(Debug, Default)]
pub struct Beats(JoinSet<()>);

impl Beats {
    /// Sends the sign that follows a poll, and does not wait for it.
    pub fn send(&mut self, watched: &Watched, polled: &Polled) {
        let Some(pulse) = watched.pulse.clone() else { return };
        let polled = (polled.source.clone(), polled.fault.map(FaultClass::as_str));
        self.0.spawn(async move { pulse.beat(&polled).await });
    }

    /// The same for a loop of one source: what is still on its way is old by now.
    pub fn replace(&mut self, watched: &Watched, polled: &Polled) {
        self.0.abort_all();
        while self.0.try_join_next().is_some() {}
        self.send(watched, polled);
    }

    /// Waits for those on their way, and no longer than one may take.
    pub async fn finish(mut self) {
        let all = async { while self.0.join_next().await.is_some() {} };
        drop(tokio::time::timeout(heartbeat::TIMEOUT, all).await);
    }
}

/// Looks at what the operator wants looked at beside the list of failed tasks.
///
/// # Errors
///
/// Only the store's.
pub async fn looks(watched: &Watched, worker: &Worker, polled: &Polled) -> Result<(), StoreError> {
    let extras = watched.source.extras();
    // A cloud that does not answer one question is not asked others.
    if !polled.complete || (extras.stuck_after.is_none() && extras.cleanup.is_none()) {
        return Ok(());
    }
    let all = async {
        if let Some(after) = extras.stuck_after {
            running::look(watched, worker, after).await?;
        }
        if let Some(wanted) = extras.cleanup {
            cleanup::round(watched, worker, wanted).await?;
        }
        Ok(())
    };
    let time = LOOKS_TIME_MAX.min(watched.interval);
    match tokio::time::timeout(time, all).await {
        Ok(result) => result,
        Err(_elapsed) => {
            debug!(source = %polled.source, "left to the next poll: time was up");
            Ok(())
        }
    }
}
