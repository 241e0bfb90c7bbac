//! TLS as every connection of this process has it: it trusts what the host trusts and, beside it,
//! certificates that the operator names.

use std::{error::Error, fmt, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;

use super::{
    any_cause,
    witness::{Meeting, Witness},
};

/// Our own certificate with its issuers, and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Whom a connection trusts, as whom it shows itself, and who looks on.
#[derive(Clone, Default)]
pub(super) struct Trust {
    /// Trusted beside what the host trusts.
    pub(super) roots: Arc<Vec<CertificateDer<'static>>>,
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) witness: Option<Witness>,
}

impl Trust {
    /// Reads the host's certificates, which takes a while.
    ///
    /// # Errors
    ///
    /// When there is nobody to trust, or one of the certificates is none.
    pub(super) fn config(&self) -> Result<ClientConfig, rustls::Error> {
        self.checked_by(false)
    }

    /// The same for a look at the other side's certificate: a good one ends the handshake, too,
    /// before anything is said.
    ///
    /// # Errors
    ///
    /// As [`Trust::config`].
    pub(super) fn look(&self) -> Result<ClientConfig, rustls::Error> {
        self.checked_by(true)
    }

    fn checked_by(&self, is_look: bool) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let roots = self.roots.iter().cloned();
        let inner = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?;
        let check = Check { inner, trust: self.clone(), is_look };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            // The platform's verifier does check; rustls calls every verifier of others so.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(check));
        match self.identity.as_deref() {
            None => Ok(config.with_no_client_auth()),
            Some((chain, key)) => config.with_client_auth_cert(chain.clone(), key.clone_key()),
        }
    }
}

/// The platform's verifier, with a witness.
struct Check {
    inner: Verifier,
    trust: Trust,
    is_look: bool,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let good = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if let Some(witness) = &self.trust.witness {
            let shown: Vec<_> = [end_entity].into_iter().chain(intermediates).collect();
            witness.note(&Meeting {
                host: &server_name.to_str(),
                shown: &shown,
                roots: &self.trust.roots,
                now,
                refusal: good.as_ref().err(),
            });
        }
        match good {
            Ok(_) if self.is_look => {
                let seen = CertificateError::Other(OtherError(Arc::new(SeenEnough)));
                Err(rustls::Error::InvalidCertificate(seen))
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Ends a handshake that was made for a look at a certificate, which was good.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is good, and nothing is to be said")]
struct SeenEnough;

/// Whether a handshake was ended by us because we had seen a good certificate.
pub(super) fn has_seen_enough(error: &(dyn Error + 'static)) -> bool {
    any_cause(error, &|error| match error.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other)))) => {
            other.is::<SeenEnough>()
        }
        _ => false,
    })
}
