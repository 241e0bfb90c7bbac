//! The way to another host, for the kinds that do not speak HTTP.

use rustls::{ClientConfig, pki_types::CertificateDer};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{SinkError, identity::Identity};
use crate::{delivery::Verdict, http::CONNECT_TIMEOUT};

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

/// TLS that trusts `roots` beside what the host trusts, and shows `identity` to who asks.
///
/// Reads the host's certificates, which takes a while.
pub(super) fn connector(
    roots: &[CertificateDer<'static>],
    identity: Option<&Identity>,
) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots.iter().cloned(), Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        // The platform's verifier does check; rustls calls every verifier of others so.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.parts()?;
            config.with_client_auth_cert(chain, key)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}
