//! The response in the form in which PostgREST takes it from an error of SQLSTATE `PGRST`: the body as JSON in the
//! message, status and headers as JSON in the DETAIL.

use serde_json::{Value, json};

use super::{Response, uniform};
use crate::model::error_style::ErrorStyle;

impl Response<'_> {
    /// The texts for the message and for the DETAIL.
    ///
    /// PostgREST builds a body of its own, with its own media type, from the members `code`, `message`, `details` and
    /// `hint` of the message. So these are added to the usual body, and the media type is left out.
    pub fn for_postgrest(self) -> (Value, Value) {
        let status = self.verdict.http_status();
        let mut body = self.body(self.verdict.code().unwrap_or_default());
        let mut headers = self.headers();
        headers.remove("Content-Type");
        let code = match self.style {
            ErrorStyle::Uniform => body["error"].clone(),
            ErrorStyle::Coded => body["error_code"].clone(),
            ErrorStyle::Problem => uniform(status).0.into(),
        };
        body["code"] = code;
        body["message"] = self.message_of(&body);
        body["details"] = format!("correlationId: {}", self.correlation_id).into();
        body["hint"] = body["reason"].clone();
        (body, json!({"status": status, "headers": headers}))
    }

    fn message_of(&self, body: &Value) -> Value {
        match self.style {
            ErrorStyle::Uniform | ErrorStyle::Coded => body["message"].clone(),
            ErrorStyle::Problem => body["detail"].clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::scope::Scopes;
    use crate::model::verdict::Verdict;

    fn answers() -> impl Iterator<Item = (Value, Value, Value)> {
        let verdicts = Verdict::ALL.into_iter().filter(|verdict| !verdict.ok());
        verdicts.flat_map(|verdict| ErrorStyle::ALL.map(|style| (verdict, style))).map(|(verdict, style)| {
            let response = Response {
                verdict,
                style,
                correlation_id: "c1",
                state_reason: Some("unpaid"),
                missing: &Scopes::parse([&b"devices:write"[..]]).unwrap(),
                retry_after: Some(7),
            };
            let (body, head) = response.for_postgrest();
            (response.to_value(), body, head)
        })
    }

    #[test]
    fn status_and_headers_are_those_of_everybody_but_for_the_media_type() {
        for (everybodys, _, head) in answers() {
            let mut headers = everybodys["headers"].clone();
            headers.as_object_mut().unwrap().remove("Content-Type");
            assert_eq!(head, json!({"status": everybodys["status"], "headers": headers}));
            assert!(head["headers"].as_object().unwrap().values().all(Value::is_string));
        }
    }

    #[test]
    fn the_body_is_everybodys_with_the_members_that_postgrest_reads() {
        for (everybodys, body, _) in answers() {
            for (name, value) in everybodys["body"].as_object().unwrap() {
                assert_eq!(body[name], *value, "{name}");
            }
            assert!(body["code"].is_string() && body["message"].is_string());
            assert_eq!(body["details"], "correlationId: c1");
            assert!(body["hint"].is_null() || body["hint"] == "unpaid");
        }
    }
}
