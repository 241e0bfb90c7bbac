//! Answers, and the many shapes that errors come in.

use hyper::body::Bytes;
use serde_json::json;

/// What is answered, before anything goes wrong on the way.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    /// Further headers. `X-Request-Id` and `Date` are added to every answer.
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// Spaces sent after the body.
    pub filler_bytes: u64,
}

impl Answer {
    /// Nothing but a status.
    pub(super) fn empty(status: u16) -> Self {
        let content_type = "application/json";
        Self { status, content_type, headers: Vec::new(), body: Bytes::new(), filler_bytes: 0 }
    }

    /// JSON that is rendered already.
    pub(super) fn json(status: u16, body: String) -> Self {
        Self { body: body.into(), ..Self::empty(status) }
    }

    /// JSON.
    pub(super) fn value(status: u16, body: &serde_json::Value) -> Self {
        Self::json(status, body.to_string())
    }

    /// An error of the service itself: 400 and `KPS.0005`, and so on.
    pub(super) fn kps(status: u16, code: &str, message: &str) -> Self {
        Self::value(status, &json!({"error_code": code, "error_msg": message}))
    }

    /// An error of the gateway in front of it, which repeats the request's id.
    pub(super) fn gateway(status: u16, code: &str, message: &str, request_id: &str) -> Self {
        let body = json!({"error_msg": message, "error_code": code, "request_id": request_id});
        Self::value(status, &body)
    }

    /// An error of IAM. Its code is a number.
    pub(super) fn iam(status: u16, message: &str, title: &str) -> Self {
        let error = json!({"code": status, "message": message, "title": title});
        Self::value(status, &json!({"error": error}))
    }

    /// The page of a load balancer.
    pub(super) fn html(status: u16) -> Self {
        let title = match status {
            200 => "Welcome",
            502 => "502 Bad Gateway",
            503 => "503 Service Temporarily Unavailable",
            504 => "504 Gateway Time-out",
            _ => "Error",
        };
        let body = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
             <center><h1>{title}</h1></center>\r\n<hr><center>CloudWAF</center>\r\n\
             </body>\r\n</html>\r\n"
        );
        Self { content_type: "text/html", body: body.into(), ..Self::empty(status) }
    }

    /// With one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The usual error of a status: code, message, and whether the service itself says it.
    pub(super) fn usual(
        status: u16,
        code: Option<&str>,
        message: Option<&str>,
        request_id: &str,
    ) -> Self {
        let (usual_code, usual_message) = match status {
            400 => ("KPS.0002", "parameter error"),
            401 => ("APIGW.0307", "The token must be updated."),
            403 => ("KPS.9003", "no permission"),
            404 => ("APIGW.0101", "The API does not exist or has not been published."),
            429 => (
                "APIGW.0308",
                "The throttling threshold has been reached: \
                 policy user over ratelimit,limit:20,time:1 second",
            ),
            500 => ("KPS.0003", "dependency service unavailable"),
            502 => ("APIGW.0201", "Backend unavailable."),
            503 => ("APIGW.0613", "The IAM service is unavailable."),
            504 => ("APIGW.0201", "Backend timeout."),
            _ => ("APIGW.0601", "Internal server error."),
        };
        let (code, message) = (code.unwrap_or(usual_code), message.unwrap_or(usual_message));
        if code.starts_with("KPS.") {
            Self::kps(status, code, message)
        } else {
            Self::gateway(status, code, message, request_id)
        }
    }
}
