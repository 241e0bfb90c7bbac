//! The way to another host, for the kinds that do not speak HTTP.

use std::sync::Arc;

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::SinkError;
use crate::{
    delivery::Verdict,
    http::{CONNECT_TIMEOUT, Clients},
};

/// Host and port, for errors.
pub(super) fn label(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Resolves the host and connects to it.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, SinkError> {
    let failed = || {
        let what = format!("cannot connect to {}", label(host, port));
        SinkError::new(Verdict::Retry { after: None }, what)
    };
    match timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => {
            // What is written is waited for: holding back small packets only delays.
            stream.set_nodelay(true).map_err(|error| failed().caused_by(error))?;
            Ok(stream)
        }
        Ok(Err(error)) => Err(failed().caused_by(error)),
        Err(elapsed) => Err(failed().caused_by(elapsed)),
    }
}

/// TLS as `clients` have it.
///
/// Reads the host's certificates, which takes a while.
pub(super) fn connector(clients: &Clients) -> Result<TlsConnector, rustls::Error> {
    Ok(TlsConnector::from(Arc::new(clients.tls()?)))
}
