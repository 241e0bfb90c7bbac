//! One secret, or a list of them while one is being replaced.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{options::SecretRef, secret::Secret};

/// Most secrets at a time. A rotation needs two; every one adds a signature to each request.
const SECRETS_MAX: usize = 4;

/// No secret, one, or several.
#[derive(Debug, Default)]
pub(super) struct SecretList(Vec<SecretRef>);

impl SecretList {
    /// The secrets themselves, in the order in which they are written.
    pub(super) fn read(&self) -> Result<Vec<Secret>, String> {
        self.0.iter().map(SecretRef::read).collect()
    }
}

impl<'de> Deserialize<'de> for SecretList {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SecretList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a secret: \"…\", { env = \"NAME\" }, { file = \"/path\" }, \
                     { credential = \"name\" }, or a list of these",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretList, E> {
                Ok(SecretList(vec![SecretRef::Literal(Secret::new(text.to_owned()))]))
            }

            fn visit_map<M: de::MapAccess<'de>>(self, map: M) -> Result<SecretList, M::Error> {
                let secret = SecretRef::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(SecretList(vec![secret]))
            }

            fn visit_seq<S: de::SeqAccess<'de>>(self, mut seq: S) -> Result<SecretList, S::Error> {
                let mut secrets = Vec::new();
                while let Some(secret) = seq.next_element()? {
                    secrets.push(secret);
                }
                if secrets.is_empty() || SECRETS_MAX < secrets.len() {
                    let problem = format!("a list holds 1 to {SECRETS_MAX} secrets");
                    return Err(de::Error::custom(problem));
                }
                Ok(SecretList(secrets))
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl JsonSchema for SecretList {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretOrSecrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<SecretRef>();
        json_schema!({
            "anyOf": [
                one,
                { "type": "array", "items": one, "minItems": 1, "maxItems": SECRETS_MAX }
            ]
        })
    }
}
