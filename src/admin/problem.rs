//! Errors as RFC 9457 has them.

use axum::{
    Extension,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::AdminError;
use crate::http::Chain;

/// Why a request was refused.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(super) struct Problem {
    /// What the status says.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong, and what would be right.
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { title, status: status.as_u16(), detail: detail.into() }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let status = match error {
            AdminError::NotFound(_) => StatusCode::NOT_FOUND,
            AdminError::Invalid(_) => StatusCode::BAD_REQUEST,
            AdminError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, Chain(&error).to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default();
        let status = self.status();
        // The page shows it in its own manner.
        (status, Extension(self), [(CONTENT_TYPE, "application/problem+json")], body)
            .into_response()
    }
}
