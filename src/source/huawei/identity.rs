//! An identity at one moment, and the headers that make a request its own.
//!
//! Headers are made anew for every attempt, since a signature holds for 15 minutes and a retry
//! may come later than that. Few are signed, because a proxy that rewrites a signed one breaks
//! the signature.

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    huawei::sign::{self, Request},
    secret::Secret,
    source::{FaultClass, SourceError},
};

/// One request that wants to be authorised.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Call<'a> {
    /// `GET` and the like.
    pub(in crate::source) method: &'a str,
    /// The `Host` header as it will be sent: with the port unless it is the scheme's own.
    pub(in crate::source) host: &'a str,
    /// Percent-encoded, without the query.
    pub(in crate::source) path: &'a str,
    /// Not encoded; sent as [`sign::request_target`] puts it.
    pub(in crate::source) query: &'a [(&'a str, &'a str)],
    /// The cloud project that the request is about, if it is about one.
    pub(in crate::source) project_id: Option<&'a str>,
    /// The bytes that will be sent.
    pub(in crate::source) body: &'a [u8],
}

/// Who we are to the cloud. `Debug` shows no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::source) struct Identity {
    pub(in crate::source) proof: Proof,
    /// The project that it comes with, if its origin says so.
    pub(in crate::source) project_id: Option<String>,
}

/// What an identity shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::source) enum Proof {
    /// Nothing: the list is not the cloud's, or takes anybody.
    Nothing,
    /// A token of the identity service, sent as it is.
    Token(Secret),
    /// An access key pair, which signs.
    Keys {
        access: Secret,
        secret: Secret,
        /// Comes with a temporary pair.
        token: Option<Secret>,
    },
}

impl Identity {
    /// One without a project.
    pub(in crate::source) fn of(proof: Proof) -> Self {
        Self { proof, project_id: None }
    }

    /// The headers to send along with `call`, marked as sensitive where they are.
    ///
    /// # Errors
    ///
    /// When something does not fit into a header.
    pub(in crate::source) fn authorize(
        &self,
        call: &Call<'_>,
        now: Timestamp,
    ) -> Result<HeaderMap, SourceError> {
        let mut headers = HeaderMap::new();
        let (access, secret, token) = match &self.proof {
            Proof::Nothing => return Ok(headers),
            Proof::Token(token) => {
                insert(&mut headers, "x-auth-token", token.expose(), true)?;
                return Ok(headers);
            }
            Proof::Keys { access, secret, token } => (access, secret, token),
        };
        let mut sent = Vec::new();
        if let Some(project_id) = call.project_id {
            sent.push(("x-project-id", project_id, false));
        }
        if let Some(token) = token {
            sent.push(("x-security-token", token.expose(), true));
        }
        // The HTTP client writes this one itself.
        let mut signed = vec![("host", call.host)];
        signed.extend(sent.iter().map(|(name, value, _)| (*name, *value)));
        let request = Request {
            method: call.method,
            path: call.path,
            query: call.query,
            headers: &signed,
            body: call.body,
        };
        let signature = sign::sign(&request, access.expose(), secret, now);
        sent.push((sign::DATE_HEADER, &signature.date, false));
        sent.push(("authorization", &signature.authorization, true));
        for (name, value, sensitive) in sent {
            insert(&mut headers, name, value, sensitive)?;
        }
        Ok(headers)
    }

    /// What must not be repeated if the cloud quotes it in an error.
    pub(in crate::source) fn secrets(&self) -> Vec<&str> {
        match &self.proof {
            Proof::Nothing => Vec::new(),
            Proof::Token(token) => vec![token.expose()],
            Proof::Keys { access, secret, token } => {
                let all = [Some(access), Some(secret), token.as_ref()];
                all.into_iter().flatten().map(Secret::expose).collect()
            }
        }
    }

    /// Whether it proves nothing.
    pub(in crate::source) fn is_nobody(&self) -> bool {
        matches!(self.proof, Proof::Nothing)
    }

    /// What it is, for people.
    pub(in crate::source) fn describe(&self) -> &'static str {
        match &self.proof {
            Proof::Nothing => "nobody",
            Proof::Token(_) => "a token",
            Proof::Keys { token: None, .. } => "an access key",
            Proof::Keys { token: Some(_), .. } => "a temporary access key",
        }
    }
}

fn insert(
    headers: &mut HeaderMap,
    name: &'static str,
    value: &str,
    sensitive: bool,
) -> Result<(), SourceError> {
    let mut value = HeaderValue::from_str(value).map_err(|error| {
        SourceError::new(FaultClass::Request, format!("{name} does not fit into a header"))
            .caused_by(error)
    })?;
    value.set_sensitive(sensitive);
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Call<'static> = Call {
        method: "GET",
        host: "kms.example",
        path: "/v3/p1/failed-tasks",
        query: &[("limit", "10"), ("offset", "0")],
        project_id: Some("p1"),
        body: b"",
    };

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn keys() -> Identity {
        let (access, secret_key) = (secret("AKs3cret"), secret("SKs3cret"));
        let token = Some(secret("STs3cret"));
        Identity::of(Proof::Keys { access, secret: secret_key, token })
    }

    #[test]
    fn a_token_is_sent_as_it_is() {
        let token = Identity::of(Proof::Token(secret("MIIfake")));
        let headers = token.authorize(&CALL, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(headers.get("x-auth-token").unwrap(), "MIIfake");
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn a_key_pair_signs_few_headers_and_each_attempt_anew() {
        let first = keys().authorize(&CALL, Timestamp::UNIX_EPOCH).unwrap();
        let later = keys().authorize(&CALL, Timestamp::from_second(1).unwrap()).unwrap();
        assert_eq!(first.get("x-sdk-date").unwrap(), "19700101T000000Z");
        assert_eq!(first.get("x-security-token").unwrap(), "STs3cret");
        assert_eq!(first.get("x-project-id").unwrap(), "p1");
        let signature = first.get("authorization").unwrap().to_str().unwrap();
        let expected = "SDK-HMAC-SHA256 Access=AKs3cret, \
                        SignedHeaders=host;x-project-id;x-sdk-date;x-security-token, Signature=";
        assert!(signature.starts_with(expected), "{signature}");
        assert_ne!(first.get("authorization"), later.get("authorization"));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        for identity in [keys(), Identity::of(Proof::Token(secret("s3cret")))] {
            let mut headers = identity.authorize(&CALL, Timestamp::UNIX_EPOCH).unwrap();
            headers.remove("x-sdk-date");
            let shown = format!("{identity:?} {headers:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
