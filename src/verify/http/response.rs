//! The HTTP response to a request whose token was refused: status, headers and body.
//!
//! A stranger learns that a token is not accepted, but not why: all 401 bodies are the same except for the correlation
//! id, by which the DBA finds the reason. A reason is given only when the token was genuine and its holder can act on
//! it. Of the values a caller passes in, only numbers and well-formed scopes reach a header.

mod challenge;
mod postgrest;

use serde_json::{Map, Value, json};

use crate::model::error_style::ErrorStyle;

use crate::model::scope::Scopes;
use crate::model::verdict::Verdict;

/// The values a response is made from.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The outcome of the verification.
    pub verdict: Verdict,
    /// The shape of the body.
    pub style: ErrorStyle,
    /// The id by which the event is found; the only difference between two bodies for a 401.
    pub correlation_id: &'a str,
    /// Why the owner is inactive, in the application's words; shown only for a coded [`Verdict::OwnerInactive`].
    pub state_reason: Option<&'a str>,
    /// The required scopes that are not granted; shown for [`Verdict::InsufficientScope`] only.
    pub missing: &'a Scopes,
    /// Seconds after which to try again; shown for [`Verdict::RateLimited`] only.
    pub retry_after: Option<u64>,
}

impl Response<'_> {
    /// The response as `{status, headers, body}`; for a valid token 200, no headers and a null body.
    pub fn to_value(self) -> Value {
        let (headers, body) = match self.verdict.code() {
            Some(code) => (self.headers(), self.body(code)),
            None => (Map::new(), Value::Null),
        };
        json!({"status": self.verdict.http_status(), "headers": headers, "body": body})
    }

    fn headers(&self) -> Map<String, Value> {
        let mut headers = Map::new();
        headers.insert("Content-Type".into(), self.style.content_type().into());
        if let Some(challenge) = challenge::challenge(self.verdict, self.missing) {
            headers.insert("WWW-Authenticate".into(), challenge.into());
        }
        if let (Verdict::RateLimited, Some(seconds)) = (self.verdict, self.retry_after) {
            headers.insert("Retry-After".into(), seconds.to_string().into());
        }
        headers
    }

    fn body(&self, code: &str) -> Value {
        let status = self.verdict.http_status();
        let mut body = match self.style {
            ErrorStyle::Uniform => {
                let (error, message) = uniform(status);
                json!({"error": error, "message": message})
            }
            ErrorStyle::Coded => json!({"error_code": code, "message": self.message()}),
            // RFC 9457 section 4.2.1: with "about:blank" the title is the phrase of the status.
            ErrorStyle::Problem => json!({
                "type": "about:blank",
                "title": phrase(status),
                "status": status,
                "detail": self.message(),
            }),
        };
        body["correlationId"] = self.correlation_id.into();
        if let (ErrorStyle::Coded, Verdict::OwnerInactive) = (self.style, self.verdict)
            && let Some(reason) = self.state_reason
        {
            body["reason"] = reason.into();
        }
        body
    }

    /// The message: what the holder of the token can act on, or for any 401 the one text that says nothing.
    fn message(&self) -> String {
        match self.verdict {
            Verdict::OwnerInactive => "The account owning this token has been deactivated".into(),
            Verdict::NetworkDenied => "This token is not accepted from this network".into(),
            Verdict::InsufficientScope if !self.missing.is_empty() => {
                format!("This token lacks the required scope: {}", self.missing.iter().collect::<Vec<_>>().join(", "))
            }
            Verdict::InsufficientScope => "This token lacks a required scope".into(),
            verdict => uniform(verdict.http_status()).1.into(),
        }
    }
}

/// Error and message for a status, the same for every cause.
fn uniform(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("invalid_request", "The request presents more than one authentication token"),
        403 => ("forbidden", "This token does not permit the request"),
        429 => ("too_many_requests", "Too many requests with this token"),
        _ => ("unauthorized", "Invalid or expired authentication token"),
    }
}

/// The reason phrase of RFC 9110 section 15 and RFC 6585.
fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        429 => "Too Many Requests",
        _ => "Unauthorized",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(verdict: Verdict, style: ErrorStyle) -> Value {
        let response = Response {
            verdict,
            style,
            correlation_id: "c1",
            state_reason: Some("left the company"),
            missing: &Scopes::parse([&b"sites:*"[..], b"devices:write"]).unwrap(),
            retry_after: Some(7),
        };
        response.to_value()
    }

    fn refused_by(status: u16) -> impl Iterator<Item = Verdict> {
        Verdict::ALL.into_iter().filter(move |verdict| verdict.http_status() == status)
    }

    #[test]
    fn every_401_has_the_same_body_but_for_its_correlation_id() {
        for style in ErrorStyle::ALL {
            let body = &answer(Verdict::Unknown, style)["body"];
            for verdict in refused_by(401) {
                assert_eq!(&answer(verdict, style)["body"], body, "{verdict}");
            }
        }
    }

    #[test]
    fn every_401_for_a_presented_token_has_the_same_headers_too() {
        for style in ErrorStyle::ALL {
            let presented = answer(Verdict::Unknown, style);
            for verdict in refused_by(401).filter(|&verdict| verdict != Verdict::Missing) {
                assert_eq!(answer(verdict, style), presented, "{verdict}");
            }
        }
    }

    #[test]
    fn a_uniform_body_is_the_same_for_every_verdict_of_a_status() {
        let body = |verdict| answer(verdict, ErrorStyle::Uniform)["body"].clone();
        assert_eq!(
            body(Verdict::Revoked),
            json!({
                "error": "unauthorized",
                "message": "Invalid or expired authentication token",
                "correlationId": "c1",
            })
        );
        for verdict in refused_by(403) {
            assert_eq!(body(verdict), body(Verdict::NetworkDenied), "{verdict}");
        }
        assert_eq!(body(Verdict::OwnerInactive)["error"], "forbidden");
        assert_eq!(body(Verdict::RateLimited)["error"], "too_many_requests");
        assert_eq!(body(Verdict::Ambiguous)["error"], "invalid_request");
    }

    #[test]
    fn a_coded_body_carries_the_code_of_the_verdict() {
        for verdict in Verdict::ALL.into_iter().filter(|verdict| !verdict.ok()) {
            let response = answer(verdict, ErrorStyle::Coded);
            assert_eq!(response["body"]["error_code"].as_str(), verdict.code());
            assert_eq!(response["body"]["correlationId"], "c1");
            assert_eq!(response["headers"]["Content-Type"], "application/json");
        }
    }

    #[test]
    fn the_reason_of_the_owners_state_is_told_for_a_deactivated_account_only() {
        for style in ErrorStyle::ALL {
            for verdict in Verdict::ALL {
                let told = answer(verdict, style).to_string().contains("left the company");
                assert_eq!(told, verdict == Verdict::OwnerInactive && style == ErrorStyle::Coded);
            }
        }
    }

    #[test]
    fn a_problem_has_the_members_of_rfc_9457() {
        assert_eq!(
            answer(Verdict::Expired, ErrorStyle::Problem),
            json!({
                "status": 401,
                "headers": {
                    "Content-Type": "application/problem+json",
                    "WWW-Authenticate": "Bearer error=\"invalid_token\"",
                },
                "body": {
                    "type": "about:blank",
                    "title": "Unauthorized",
                    "status": 401,
                    "detail": "Invalid or expired authentication token",
                    "correlationId": "c1",
                },
            })
        );
    }

    #[test]
    fn missing_scopes_are_told_where_they_are_the_reason() {
        let message = |verdict| answer(verdict, ErrorStyle::Coded)["body"]["message"].clone();
        assert_eq!(message(Verdict::InsufficientScope), "This token lacks the required scope: devices:write, sites:*");
        for verdict in Verdict::ALL {
            let told = answer(verdict, ErrorStyle::Coded).to_string().contains("devices:write");
            assert_eq!(told, verdict == Verdict::InsufficientScope, "{verdict}");
        }
    }

    #[test]
    fn only_a_limited_rate_says_when_to_try_again() {
        for verdict in Verdict::ALL {
            let retry_after = &answer(verdict, ErrorStyle::Uniform)["headers"]["Retry-After"];
            let expected = if verdict == Verdict::RateLimited { json!("7") } else { Value::Null };
            assert_eq!(*retry_after, expected, "{verdict}");
        }
    }

    #[test]
    fn a_valid_token_is_answered_with_200_and_nothing_else() {
        let expected = json!({"status": 200, "headers": {}, "body": null});
        assert_eq!(answer(Verdict::Valid, ErrorStyle::Problem), expected);
    }
}
