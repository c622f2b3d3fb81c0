//! Finds the token that a request presents in its HTTP headers.
//!
//! Headers are a JSON object, as web frameworks and PostgREST pass them: each name maps to a value, or to an array of
//! values for a repeated header. A value of any other shape presents no token. The search never chooses between two
//! different tokens, since a proxy in front may have checked the other one. Tokens are borrowed, never copied, and
//! `Debug` never shows them.

use std::fmt;

use serde_json::Value;

/// The header of RFC 9110 section 11.6.2; it presents a token only after the scheme `Bearer`.
const AUTHORIZATION: &str = "authorization";

/// The customary header for API keys; the value is the token.
const API_KEY: &str = "x-api-key";

/// The authentication scheme of RFC 6750, in any case as RFC 9110 section 11.1 requires.
const BEARER: &str = "bearer";

/// The token that a request presents, if any.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// No token, or only credentials of another scheme.
    Missing,
    /// Two different tokens.
    Ambiguous,
    /// One token, presented once or several times. It may still be malformed.
    Token(&'a str),
}

impl<'a> Credential<'a> {
    /// Finds the token in `Authorization` or `X-API-Key`, or in the one header that `only` names.
    ///
    /// Names are compared in any ASCII case, and two spellings of one name both count. Blanks around a value are
    /// dropped (RFC 9110 section 5.5). A value is read as the comma-separated list into which proxies join repeated
    /// headers (RFC 9110 section 5.3), so a token cannot contain a comma. In headers other than `Authorization` the
    /// scheme may be left out.
    pub fn find(headers: &'a Value, only: Option<&str>) -> Self {
        let Some(headers) = headers.as_object() else {
            return Self::Missing;
        };
        let is_read = |name: &str| match only {
            Some(only) => name.eq_ignore_ascii_case(only),
            None => [AUTHORIZATION, API_KEY].iter().any(|read| name.eq_ignore_ascii_case(read)),
        };
        headers
            .iter()
            .filter(|(name, _)| is_read(name))
            .flat_map(|(name, value)| tokens(name, value))
            .fold(Self::Missing, Self::and)
    }

    fn and(self, token: &'a str) -> Self {
        match self {
            Self::Missing => Self::Token(token),
            Self::Token(first) if first == token => self,
            Self::Token(_) | Self::Ambiguous => Self::Ambiguous,
        }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Ambiguous => "Ambiguous",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// The tokens in the value or values of one header.
fn tokens<'a>(name: &'a str, value: &'a Value) -> impl Iterator<Item = &'a str> {
    let lines = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let needs_scheme = name.eq_ignore_ascii_case(AUTHORIZATION);
    lines
        .iter()
        .filter_map(Value::as_str)
        .flat_map(|line| line.split(','))
        .map(trim)
        .filter_map(move |value| bearer(value).or((!needs_scheme).then_some(value)))
        .filter(|token| !token.is_empty())
}

/// The text after the scheme, perhaps empty; `None` when the value has another scheme.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case(BEARER).then(|| trim(token))
}

/// Trims the optional white space of RFC 9110 section 5.6.3: spaces and tabs only.
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::Credential::{Ambiguous, Missing, Token};
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn presents(headers: Value, expected: Credential<'_>) {
        assert!(Credential::find(&headers, None) == expected, "{headers}");
    }

    #[track_caller]
    fn presents_in(only: &str, headers: Value, expected: Credential<'_>) {
        assert!(Credential::find(&headers, Some(only)) == expected, "{headers} in {only}");
    }

    #[test]
    fn the_token_stands_behind_bearer_or_alone_in_the_key_header() {
        presents(json!({"Authorization": "Bearer ps_usr_1"}), Token("ps_usr_1"));
        presents(json!({"X-API-Key": "ps_usr_1"}), Token("ps_usr_1"));
        presents(json!({"x-api-key": "Bearer ps_usr_1"}), Token("ps_usr_1"));
        presents(json!({"host": "a", "accept": "*/*", "authorization": "Bearer a"}), Token("a"));
    }

    #[test]
    fn names_and_scheme_are_read_in_any_case_and_blanks_are_dropped() {
        presents(json!({"AUTHORIZATION": " \tbEaReR   a \t"}), Token("a"));
        presents(json!({"x-Api-KEY": " a\t"}), Token("a"));
    }

    #[test]
    fn credentials_of_other_schemes_are_no_token() {
        for value in
            ["Basic dXNlcjpwYXNz", "Digest username=\"a\", realm=\"b\"", "a", "BearerX a", "Bearer\u{a0}a", "Token a"]
        {
            presents(json!({"Authorization": value}), Missing);
            presents(json!({"Authorization": value, "X-API-Key": "k"}), Token("k"));
        }
    }

    #[test]
    fn a_scheme_without_token_is_no_token() {
        for value in ["", " ", "Bearer", "bearer ", "Bearer \t ", ",", "Bearer ,", ", ,"] {
            presents(json!({"Authorization": value}), Missing);
        }
        presents(json!({"X-API-Key": "Bearer "}), Missing);
        presents(json!({"X-API-Key": " "}), Missing);
    }

    #[test]
    fn the_same_token_twice_is_that_token_and_two_different_ones_are_ambiguous() {
        presents(json!({"Authorization": "Bearer a", "X-API-Key": "a"}), Token("a"));
        presents(json!({"Authorization": "Bearer a", "X-API-Key": "b"}), Ambiguous);
        presents(json!({"Authorization": "Bearer a", "X-API-Key": "A"}), Ambiguous);
        presents(json!({"Authorization": "Bearer a", "authorization": "Bearer b"}), Ambiguous);
        presents(json!({"authorization": "Bearer a", "AUTHORIZATION": "Bearer a"}), Token("a"));
        presents(json!({"X-API-Key": ["a", "b", "a"]}), Ambiguous);
    }

    #[test]
    fn a_joined_header_is_read_as_the_headers_it_was_joined_from() {
        presents(json!({"Authorization": "Bearer a, Bearer a"}), Token("a"));
        presents(json!({"Authorization": "Bearer a,Bearer b"}), Ambiguous);
        presents(json!({"Authorization": "Basic eDp5, Bearer a"}), Token("a"));
        presents(json!({"X-API-Key": "a, b"}), Ambiguous);
        presents(json!({"X-API-Key": ["a, a", "a"]}), Token("a"));
    }

    #[test]
    fn the_only_header_named_is_the_only_one_read() {
        let headers = json!({"authorization": "Bearer jwt", "x-api-key": "k", "X-Token": "t"});
        presents_in("x-token", headers.clone(), Token("t"));
        presents_in("X-API-KEY", headers.clone(), Token("k"));
        presents_in("Authorization", headers.clone(), Token("jwt"));
        presents_in("X-Other", headers.clone(), Missing);
        presents_in("", headers, Missing);
        presents_in("X-Token", json!({"X-Token": "Bearer t"}), Token("t"));
    }

    #[test]
    fn values_of_other_shapes_present_nothing() {
        for headers in [json!(null), json!("Bearer a"), json!(["authorization", "Bearer a"]), json!(7), json!({})] {
            presents(headers, Missing);
        }
        for value in [json!(null), json!(7), json!(true), json!({"Bearer": "a"}), json!([]), json!([["Bearer a"]])] {
            presents(json!({"Authorization": value}), Missing);
        }
        presents(json!({"Authorization": [7, "Bearer a", null]}), Token("a"));
    }

    #[test]
    fn names_that_only_resemble_are_other_headers() {
        for name in
            ["authorization ", "authori\u{17f}ation", "x_api_key", "x-api-\u{212a}ey", "proxy-authorization", ""]
        {
            presents(json!({name: "Bearer a"}), Missing);
        }
    }

    #[test]
    fn what_the_token_holds_is_left_for_its_parser_to_refuse() {
        for token in ["a b", "a\nb", "\u{202e}a", "a\0", "\u{ff21}", "\u{a0}a\u{a0}", "'; DROP TABLE token; --"] {
            presents(json!({"X-API-Key": token}), Token(token));
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", Token("hunter2")), "Token(…)");
    }
}
