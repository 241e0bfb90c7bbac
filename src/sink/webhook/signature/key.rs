//! Keys to sign and to verify with, in their text forms.

use std::{fmt, sync::Arc};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// Marks a shared secret. Some tools hand secrets out without it.
const SECRET: &str = "whsec_";

/// Marks a private Ed25519 key.
const PRIVATE: &str = "whsk_";

/// Marks a public Ed25519 key.
const PUBLIC: &str = "whpk_";

/// Bytes of a private key, or of the seed that it is made from, and of a public key.
const ED25519_BYTES: usize = 32;

/// Some tools leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key, ready to be used.
#[derive(Clone)]
pub struct Key(Form);

#[derive(Clone)]
enum Form {
    /// The state of the hash after the secret went in, so that a signature costs two blocks less.
    Shared(Hmac<Sha256>),
    Private(Arc<Ed25519KeyPair>),
    Public([u8; ED25519_BYTES]),
}

/// The rule that a key breaks.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum KeyError {
    /// It is not text that stands for bytes.
    #[error("must be `whsec_` or `whsk_` and base64")]
    NotBase64,
    /// Too short to be safe, or longer than the standard allows.
    #[error("must stand for 24 to 64 bytes, but stands for {bytes}")]
    Length {
        /// After decoding.
        bytes: usize,
    },
    /// No Ed25519 key has this length.
    #[error("must stand for the 32 bytes of an Ed25519 key, or 64 with its public half")]
    NotEd25519,
    /// The two halves of a private key are of two keys.
    #[error("has a public half that is not its own")]
    Mismatch,
    /// A public key, where one that signs is needed.
    #[error("is a public key (whpk_), which can only verify")]
    Public,
}

/// The text of a key without its mark.
pub(in crate::sink) fn unmarked(text: &str) -> &str {
    let stripped = [SECRET, PRIVATE, PUBLIC].iter().find_map(|mark| text.strip_prefix(mark));
    stripped.unwrap_or(text)
}

impl Key {
    /// Fewest bytes that the standard allows of a shared secret.
    pub const BYTES_MIN: usize = 24;
    /// Most bytes that the standard allows of a shared secret.
    pub const BYTES_MAX: usize = 64;

    /// Reads a key to sign with: `whsec_` and base64, padded or not, or `whsk_` and base64 of a
    /// private Ed25519 key.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; it does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes =
            Zeroizing::new(LENIENT.decode(unmarked(text)).map_err(|_| KeyError::NotBase64)?);
        if text.starts_with(PUBLIC) {
            return Err(KeyError::Public);
        }
        if text.starts_with(PRIVATE) {
            return private(&bytes).map(|pair| Self(Form::Private(Arc::new(pair))));
        }
        if !(Self::BYTES_MIN..=Self::BYTES_MAX).contains(&bytes.len()) {
            return Err(KeyError::Length { bytes: bytes.len() });
        }
        let mac = Hmac::new_from_slice(&bytes).map_err(|_| KeyError::NotBase64)?;
        Ok(Self(Form::Shared(mac)))
    }

    /// Reads a key to verify with: what [`Key::parse`] reads, or `whpk_` and base64 of a public
    /// Ed25519 key.
    ///
    /// # Errors
    ///
    /// As [`Key::parse`].
    pub fn parse_verifying(text: &str) -> Result<Self, KeyError> {
        let Some(encoded) = text.strip_prefix(PUBLIC) else { return Self::parse(text) };
        let bytes = LENIENT.decode(encoded).map_err(|_| KeyError::NotBase64)?;
        let bytes = bytes.try_into().map_err(|_| KeyError::NotEd25519)?;
        Ok(Self(Form::Public(bytes)))
    }

    /// The mark of its signatures.
    pub(super) fn version(&self) -> &'static str {
        match self.0 {
            Form::Shared(_) => "v1",
            Form::Private(_) | Form::Public(_) => "v1a",
        }
    }

    /// Signs all `parts`, one behind the other.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        match &self.0 {
            Form::Shared(mac) => Some(mac_of(mac, parts).finalize().into_bytes().to_vec()),
            Form::Private(pair) => Some(pair.sign(&parts.concat()).as_ref().to_vec()),
            Form::Public(_) => None,
        }
    }

    /// Whether `signature` is this key's over `parts`. In constant time.
    pub(super) fn fits(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        let public = match &self.0 {
            Form::Shared(mac) => return mac_of(mac, parts).verify_slice(signature).is_ok(),
            Form::Private(pair) => pair.public_key().as_ref(),
            Form::Public(key) => key,
        };
        UnparsedPublicKey::new(&ED25519, public).verify(&parts.concat(), signature).is_ok()
    }
}

fn mac_of(mac: &Hmac<Sha256>, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = mac.clone();
    for part in parts {
        mac.update(part);
    }
    mac
}

/// The seed, or the seed and the public key: tools differ.
fn private(bytes: &[u8]) -> Result<Ed25519KeyPair, KeyError> {
    let (seed, public) = bytes.split_at_checked(ED25519_BYTES).ok_or(KeyError::NotEd25519)?;
    match public.len() {
        0 => Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::NotEd25519),
        ED25519_BYTES => {
            Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| KeyError::Mismatch)
        }
        _ => Err(KeyError::NotEd25519),
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
