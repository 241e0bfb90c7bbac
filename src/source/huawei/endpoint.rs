//! Addresses that an operator writes: scheme and host, and nothing that could hold a secret.

use url::Url;

use crate::{http::is_loopback, options::OptionError};

/// Reads the address under `key`. Plain `http` stays on this host unless `insecure`.
///
/// # Errors
///
/// Never repeats the text: it may hold a password.
pub(in crate::source) fn check(key: &str, text: &str, insecure: bool) -> Result<Url, OptionError> {
    let wrong = |problem: &str| OptionError::new(key, problem);
    let shape =
        "must be scheme and host alone, such as \"https://kms.cn-north-4.myhuaweicloud.com\"";
    let url = Url::parse(text).map_err(|_| wrong(shape))?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        "https" if bare => Ok(url),
        "http" if bare && (insecure || is_loopback(&url)) => Ok(url),
        "http" if bare => Err(wrong(
            "must be https: over http anyone on the way can read what is asked and answered; \
             `insecure = true` allows it all the same",
        )),
        _ => Err(wrong(shape)),
    }
}
