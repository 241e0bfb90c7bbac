//! Bodies that arrive in pieces, too long, or not at all.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::fault::{Drip, Fault, Reset};

/// Between the last byte of a body that breaks off and the break: without a pause, the server
/// would drop what it has not written yet, and the client would see no byte at all.
const BREAK_PAUSE: Duration = Duration::from_millis(20);

/// How much filler is sent at a time.
static FILLER: [u8; 16 * 1024] = [b' '; 16 * 1024];

/// A body, and how it is sent.
#[derive(Debug)]
pub(super) struct Wire {
    left: Bytes,
    filler_bytes: u64,
    /// What `Content-Length` says. `None` sends chunks instead.
    promised: Option<u64>,
    drip: Option<Drip>,
    breaks_off: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// The body that `plan` makes of an answer's.
    pub(super) fn new(body: &Bytes, filler_bytes: u64, plan: &Fault) -> Self {
        let cut = plan.cut_bytes.unwrap_or(usize::MAX).min(body.len());
        let whole = body.slice(..cut);
        let keep = match (plan.truncate_bytes, plan.reset) {
            (Some(bytes), _) => bytes.min(whole.len()),
            (None, Some(Reset::Middle)) => whole.len() / 2,
            (None, _) => whole.len(),
        };
        let promised = u64::try_from(whole.len()).ok().filter(|_| filler_bytes == 0);
        Self {
            left: whole.slice(..keep),
            filler_bytes,
            promised,
            drip: plan.drip,
            breaks_off: keep < whole.len() || plan.reset == Some(Reset::Middle),
            pause: plan.drip.map(|drip| Box::pin(sleep(drip.every.0))),
        }
    }

    /// Takes the next piece of what there is.
    fn piece(&mut self) -> Option<Bytes> {
        if !self.left.is_empty() {
            let most = self.drip.map_or(usize::MAX, |drip| drip.bytes);
            return Some(self.left.split_to(most.min(self.left.len())));
        }
        let most = self.filler_bytes.min(FILLER.len().try_into().unwrap_or(0));
        self.filler_bytes -= most;
        let filler = FILLER.get(..usize::try_from(most).ok()?)?;
        (!filler.is_empty()).then(|| Bytes::from_static(filler))
    }
}

impl Body for Wire {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
            if self.left.is_empty() && self.breaks_off {
                return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
            }
        }
        let Some(piece) = self.piece() else {
            if self.breaks_off {
                self.pause = Some(Box::pin(sleep(BREAK_PAUSE)));
                return self.poll_frame(cx);
            }
            return Poll::Ready(None);
        };
        if let Some(drip) = self.drip {
            self.pause = Some(Box::pin(sleep(drip.every.0)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.filler_bytes == 0 && !self.breaks_off
    }

    fn size_hint(&self) -> SizeHint {
        self.promised.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
