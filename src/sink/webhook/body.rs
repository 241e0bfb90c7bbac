//! A body of the operator's own, for receivers that want another one.

use std::path::Path;

use reqwest::header::HeaderValue;

use crate::{
    notice::Notice,
    options::OptionError,
    render::{Target, Template, Words},
};

/// What is sent unless the operator says otherwise.
const JSON: &str = "application/json";

/// What stands in the body, and what it is called.
#[derive(Debug)]
pub(super) struct Body {
    template: Option<Template>,
    pub(super) content_type: HeaderValue,
}

impl Body {
    /// Reads the template at `path`, if there is one, which has to give JSON if that is what the
    /// content type says. Without one, what is `built_in` says.
    pub(super) fn read(
        path: Option<&Path>,
        content_type: Option<&str>,
        built_in: &'static str,
        words: &Words,
    ) -> Result<Self, OptionError> {
        if path.is_none() && content_type.is_some() {
            return Err(OptionError::new("content_type", "is of use with body only"));
        }
        let written = content_type.unwrap_or(if path.is_some() { JSON } else { built_in });
        let content_type = HeaderValue::from_str(written).ok().filter(|_| written.contains('/'));
        let content_type = content_type.ok_or_else(|| {
            OptionError::new("content_type", "must be a media type such as application/json")
        })?;
        let target = if is_json(written) { Target::Json } else { Target::Plain };
        let read = |path| Template::read(path, target, words.style());
        let template =
            path.map(read).transpose().map_err(|problem| OptionError::new("body", problem))?;
        Ok(Self { template, content_type })
    }

    /// The operator's body, or what is built in if there is none. If the template fails, what is
    /// built in has to fit the content type all the same.
    pub(super) fn render(
        &self,
        notice: &Notice,
        words: &Words,
        built_in: impl FnOnce() -> Vec<u8>,
    ) -> Vec<u8> {
        let Some(template) = &self.template else { return built_in() };
        match words.fill(template, notice) {
            Some(body) => body.into_bytes(),
            None if template.target() == Target::Json => built_in(),
            None => words.plain(notice).into_bytes(),
        }
    }
}

/// Whether a media type is JSON, or something written in it.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_goes_by_several_names() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/cloudevents+json", true),
            ("text/plain", false),
            ("application/jsonlines", false),
        ] {
            assert_eq!(is_json(content_type), expected, "{content_type}");
        }
    }
}
