//! Datagrams to a daemon on this host, by the path of its socket.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use tokio::net::UnixDatagram;

use super::SinkError;
use crate::delivery::Verdict;

/// Hands over each of `messages`. Waits while the daemon has no room.
pub(super) async fn send(path: &Path, messages: &[&[u8]]) -> Result<(), SinkError> {
    let socket = connect(path)?;
    for (nth, message) in messages.iter().enumerate() {
        let sent = socket.send(message).await;
        sent.map_err(|error| SinkError { uncertain: nth > 0, ..failed(path, error) })?;
    }
    Ok(())
}

/// Opens the way.
pub(super) fn connect(path: &Path) -> Result<UnixDatagram, SinkError> {
    let socket = UnixDatagram::unbound().map_err(|error| failed(path, error))?;
    socket.connect(path).map_err(|error| failed(path, error))?;
    Ok(socket)
}

/// A socket that is absent or deserted belongs to a daemon that is being started again.
fn failed(path: &Path, error: io::Error) -> SinkError {
    let wrong_type = Some(rustix::io::Errno::PROTOTYPE.raw_os_error());
    let verdict = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::NotADirectory => {
            Verdict::Suspect
        }
        _ if error.raw_os_error() == wrong_type => Verdict::Suspect,
        _ => Verdict::Retry { after: None },
    };
    SinkError::new(verdict, format!("cannot send to {}", path.display())).caused_by(error)
}
