//! What a template can do with values, beside what every template of this family can.

use std::time::Duration;

use jiff::Timestamp;
use minijinja::{Environment, Error, ErrorKind, State, value::Value};

use super::super::{Style, Zone, speech::between};

/// Most characters that `truncate` leaves, if it is not told.
const TRUNCATE_CHARS: usize = 200;

/// Adds the filters, each in the language and zone of `style`.
pub(super) fn add(environment: &mut Environment<'static>, style: &Style) {
    let own = style.clone();
    let time = move |value: &Value, zone: Option<&str>, format: Option<&str>| {
        if value.is_none() {
            return Ok(own.speech().not_given().to_owned());
        }
        let zone = match zone {
            Some(name) => &Zone::parse(name).map_err(invalid)?,
            None => &own.zone,
        };
        let at = instant(value)?;
        match format {
            Some(format) => zone.format(at, format).map_err(invalid),
            None => Ok(zone.full(at)),
        }
    };
    environment.add_filter("time", time);
    let own = style.clone();
    // Seconds, or how long before the notice an instant was.
    let duration = move |state: &State, value: &Value| -> Result<String, Error> {
        let length = match i64::try_from(value.clone()) {
            Ok(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
            Err(_) => {
                let now = state.lookup("now").unwrap_or_default();
                between(instant(value)?, instant(&now)?)
            }
        };
        Ok(own.speech().duration(length))
    };
    environment.add_filter("duration", duration);
    environment.add_filter("truncate", truncate);
    environment.add_filter("escape", escape);
}

fn instant(value: &Value) -> Result<Timestamp, Error> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|_| invalid(format!("{value} is not a time")))
}

fn invalid(problem: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem)
}

/// At most so many characters; what was cut ends in `…`.
fn truncate(text: &str, chars: Option<usize>) -> String {
    let most = chars.unwrap_or(TRUNCATE_CHARS);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The text as it must stand in the markup of a target.
fn escape(text: &str, target: Option<&str>) -> Result<Value, Error> {
    let target = target.unwrap_or("html");
    let escaped = |c: char| -> String {
        match (target, c) {
            ("html" | "slack", '&') => "&amp;".to_owned(),
            ("html" | "slack", '<') => "&lt;".to_owned(),
            ("html" | "slack", '>') => "&gt;".to_owned(),
            ("html", '"') => "&quot;".to_owned(),
            ("html", '\'') => "&#39;".to_owned(),
            ("markdown", c) if "\\`*_{}[]()<>#+-.!|~=@".contains(c) => format!("\\{c}"),
            _ => c.to_string(),
        }
    };
    match target {
        // What is escaped for HTML is not escaped once more in a page.
        "html" => Ok(Value::from_safe_string(text.chars().map(escaped).collect())),
        "slack" | "markdown" => Ok(text.chars().map(escaped).collect::<String>().into()),
        "json" => {
            let quoted = serde_json::Value::from(text).to_string();
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            Ok(Value::from_safe_string(inner.unwrap_or_default().to_owned()))
        }
        other => Err(invalid(format!(
            "`{other}` is not a target; known are html, json, markdown and slack"
        ))),
    }
}
