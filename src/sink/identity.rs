//! Our own certificate, for receivers that want to see one.

use std::{fmt, fs, path::Path};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::{http, options::OptionError};

/// Longest file of a certificate with its issuers, or of a key. Real ones have a few KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A certificate and its key, checked to be some.
pub(super) struct Identity {
    /// The certificates, ours first, and the key, as PEM.
    pem: Zeroizing<Vec<u8>>,
}

impl Identity {
    /// Reads the files of the options `client_cert` and `client_key`, which go together.
    ///
    /// # Errors
    ///
    /// What is wrong with which of them.
    pub(super) fn read(
        cert: Option<&Path>,
        key: Option<&Path>,
    ) -> Result<Option<Self>, OptionError> {
        let (cert, key) = match (cert, key) {
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(OptionError::new("client_key", "is required with client_cert"));
            }
            (None, Some(_)) => {
                return Err(OptionError::new("client_cert", "is required with client_key"));
            }
            (Some(cert), Some(key)) => (cert, key),
        };
        let wrong = |key: &'static str| move |problem| OptionError::new(key, problem);
        let mut pem = pem(cert).map_err(wrong("client_cert"))?;
        if !CertificateDer::pem_slice_iter(&pem).any(|found| found.is_ok()) {
            let problem = format!("{} holds no PEM certificate", cert.display());
            return Err(OptionError::new("client_cert", problem));
        }
        let secret = self::pem(key).map_err(wrong("client_key"))?;
        if PrivateKeyDer::from_pem_slice(&secret).is_err() {
            let problem = format!("{} holds no PEM private key", key.display());
            return Err(OptionError::new("client_key", problem));
        }
        pem.push(b'\n');
        pem.extend_from_slice(&secret);
        Ok(Some(Self { pem }))
    }

    /// Certificates and key apart.
    ///
    /// # Errors
    ///
    /// When one of several is none.
    pub(super) fn parts(&self) -> Result<http::Identity, OptionError> {
        let unreadable = |_| OptionError::new("client_cert", "is not PEM throughout");
        let chain = CertificateDer::pem_slice_iter(&self.pem).collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_slice(&self.pem);
        Ok((chain.map_err(unreadable)?, key.map_err(unreadable)?))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

fn pem(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    if FILE_BYTES_MAX < fs::metadata(path).map_err(failed)?.len() {
        return Err(format!("{} is longer than it can be (64 KiB)", path.display()));
    }
    fs::read(path).map(Zeroizing::new).map_err(failed)
}
