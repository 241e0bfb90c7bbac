//! The operator's own certificate authority, for receivers and proxies inside a company.

use std::{fs, path::Path};

use rustls::pki_types::{CertificateDer, pem::PemObject};

/// Longest file of certificates. A bundle of a whole host is about 250 KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the PEM certificates in the file at `path`: at least one.
///
/// # Errors
///
/// A sentence that names the file.
pub fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
    if FILE_BYTES_MAX < fs::metadata(path).map_err(|error| failed(&error))?.len() {
        return Err(format!("{} is longer than a list of certificates (1 MiB)", path.display()));
    }
    let pem = fs::read(path).map_err(|error| failed(&error))?;
    let roots = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(&error))?;
    if roots.is_empty() {
        return Err(format!("{} holds no PEM certificate", path.display()));
    }
    Ok(roots)
}
