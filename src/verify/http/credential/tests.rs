//! Tokens of these tests begin with `tok_`.

use std::convert::Infallible;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Credential::{Ambiguous, Missing, Token};
use super::*;
use crate::verify::http::basic::tests::encode;
use crate::verify::http::headers::Names;

fn is_token(text: &[u8]) -> Result<bool, Infallible> {
    Ok(text.starts_with(b"tok_"))
}

fn token(text: &str) -> Credential<'_> {
    Token(text.as_bytes().into())
}

fn names(only: Option<&str>) -> Names<'_> {
    Names { only: only.map(str::as_bytes), client: None }
}

fn headers(headers: &Value, only: Option<&str>) -> Headers {
    Headers::read(headers.to_string().as_bytes(), names(only)).unwrap()
}

#[track_caller]
fn presents(given: Value, expected: Credential<'_>) {
    let headers = headers(&given, None);
    let Ok(found) = Credential::find(&headers, is_token);
    assert!(found == expected, "{given}");
}

#[track_caller]
fn presents_in(only: &str, given: &Value, expected: Credential<'_>) {
    let headers = headers(given, Some(only));
    let Ok(found) = Credential::find(&headers, is_token);
    assert!(found == expected, "{given} in {only}");
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", encode(format!("{user}:{password}").as_bytes()))
}

#[test]
fn the_token_stands_behind_bearer_or_alone_in_the_key_header() {
    presents(json!({"Authorization": "Bearer ps_usr_1"}), token("ps_usr_1"));
    presents(json!({"X-API-Key": "ps_usr_1"}), token("ps_usr_1"));
    presents(json!({"x-api-key": "Bearer ps_usr_1"}), token("ps_usr_1"));
    presents(json!({"host": "a", "accept": "*/*", "authorization": "Bearer a"}), token("a"));
}

#[test]
fn names_and_scheme_are_read_in_any_case_and_white_space_is_dropped() {
    presents(json!({"AUTHORIZATION": " \tbEaReR \t a \r\n"}), token("a"));
    presents(json!({"x-Api-KEY": "\r\n a\t"}), token("a"));
    presents(json!({"Authorization": "Bearer\ta"}), token("a"));
}

#[test]
fn other_schemes_present_what_is_a_token_and_nothing_else() {
    for scheme in ["Token", "ApiKey", "Api-Key", "KEY"] {
        presents(json!({"Authorization": format!("{scheme} tok_1")}), token("tok_1"));
        presents(json!({"Authorization": format!("{scheme}\t tok_1\n")}), token("tok_1"));
        presents(json!({"Authorization": format!("{scheme} else")}), Missing);
        presents(json!({"Authorization": format!("{scheme} else"), "X-API-Key": "k"}), token("k"));
        presents(json!({"Authorization": format!("{scheme} tok_1"), "X-API-Key": "tok_1"}), token("tok_1"));
        presents(json!({"Authorization": format!("{scheme} tok_1"), "X-API-Key": "k"}), Ambiguous);
    }
}

#[test]
fn basic_presents_a_token_as_user_or_password() {
    presents(json!({"Authorization": basic("tok_1", "")}), token("tok_1"));
    presents(json!({"Authorization": basic("git", "tok_1")}), token("tok_1"));
    presents(json!({"Authorization": basic("tok_1", "tok_1")}), token("tok_1"));
    presents(json!({"Authorization": basic("tok_1", "tok_2")}), Ambiguous);
    presents(json!({"Authorization": basic(" tok_1\n", "x-oauth-basic")}), token("tok_1"));
    presents(json!({"Authorization": basic("user", "secret")}), Missing);
    presents(json!({"Authorization": basic("user", "secret"), "X-API-Key": "k"}), token("k"));
    presents(json!({"Authorization": "Basic not-base64"}), Missing);
}

#[test]
fn credentials_of_unknown_schemes_are_no_token() {
    for value in ["Digest username=\"a\", realm=\"b\"", "a", "tok_1", "BearerX a", "Bearer\u{a0}a", "Tokens tok_1"] {
        presents(json!({"Authorization": value}), Missing);
        presents(json!({"Authorization": value, "X-API-Key": "k"}), token("k"));
    }
}

#[test]
fn a_scheme_without_token_is_no_token() {
    for value in ["", " ", "Bearer", "bearer ", "Bearer \t ", ",", "Bearer ,", ", ,", "Token", "Basic", "Key \r\n"] {
        presents(json!({"Authorization": value}), Missing);
    }
    presents(json!({"X-API-Key": "Bearer "}), Missing);
    presents(json!({"X-API-Key": " "}), Missing);
}

#[test]
fn the_same_token_twice_is_that_token_and_two_different_ones_are_ambiguous() {
    presents(json!({"Authorization": "Bearer a", "X-API-Key": "a"}), token("a"));
    presents(json!({"Authorization": "Bearer a", "X-API-Key": "b"}), Ambiguous);
    presents(json!({"Authorization": "Bearer a", "X-API-Key": "A"}), Ambiguous);
    presents(json!({"Authorization": "Bearer a", "authorization": "Bearer b"}), Ambiguous);
    presents(json!({"authorization": "Bearer a", "AUTHORIZATION": "Bearer a"}), token("a"));
    presents(json!({"X-API-Key": ["a", "b", "a"]}), Ambiguous);
}

#[test]
fn a_name_that_comes_twice_in_the_text_counts_twice() {
    let text = r#"{"authorization": "Bearer a", "authorization": "Bearer b"}"#;
    let headers = Headers::read(text.as_bytes(), names(None)).unwrap();
    assert!(Credential::find(&headers, is_token) == Ok(Ambiguous));
}

#[test]
fn a_joined_header_is_read_as_the_headers_it_was_joined_from() {
    presents(json!({"Authorization": "Bearer a, Bearer a"}), token("a"));
    presents(json!({"Authorization": "Bearer a,Bearer b"}), Ambiguous);
    presents(json!({"Authorization": "Basic eDp5, Bearer a"}), token("a"));
    presents(json!({"X-API-Key": "a, b"}), Ambiguous);
    presents(json!({"X-API-Key": ["a, a", "a"]}), token("a"));
}

#[test]
fn the_only_header_named_is_the_only_one_read() {
    let headers = json!({"authorization": "Bearer jwt", "x-api-key": "k", "X-Token": "t"});
    presents_in("x-token", &headers, token("t"));
    presents_in("X-API-KEY", &headers, token("k"));
    presents_in("Authorization", &headers, token("jwt"));
    presents_in("X-Other", &headers, Missing);
    presents_in("", &headers, Missing);
    presents_in("X-Token", &json!({"X-Token": "Bearer t"}), token("t"));
    presents_in("X-Token", &json!({"X-Token": "Token tok_1"}), token("tok_1"));
    presents_in("X-Token", &json!({"X-Token": "Token t"}), token("Token t"));
}

#[test]
fn values_of_other_shapes_present_nothing() {
    for headers in [json!(null), json!("Bearer a"), json!(["authorization", "Bearer a"]), json!(7), json!({})] {
        presents(headers, Missing);
    }
    for value in [json!(null), json!(7), json!(true), json!({"Bearer": "a"}), json!([]), json!([["Bearer a"]])] {
        presents(json!({"Authorization": value}), Missing);
    }
    presents(json!({"Authorization": [7, {"a": [1e3]}, ["Bearer b"], "Bearer a", null]}), token("a"));
}

#[test]
fn names_that_only_resemble_are_other_headers() {
    for name in ["authorization ", "authori\u{17f}ation", "x_api_key", "x-api-\u{212a}ey", "proxy-authorization", ""] {
        presents(json!({name: "Bearer a"}), Missing);
    }
}

#[test]
fn what_the_token_holds_is_left_for_its_parser_to_refuse() {
    for text in ["a b", "a\nb", "\u{202e}a", "a\0", "\u{ff21}", "\u{a0}a\u{a0}", "'; DROP TABLE token; --"] {
        presents(json!({"X-API-Key": text}), token(text));
    }
}

#[test]
fn a_token_is_not_shown() {
    assert_eq!(format!("{:?}", token("hunter2")), "Token(…)");
}

/// A value of a header, and the tokens that it presents by the definition.
fn any_value() -> impl Strategy<Value = (String, Vec<String>)> {
    let text = prop_oneof!["tok_[12]", "other[12]"];
    let blank = prop_oneof![Just(""), Just(" "), Just("\t"), Just("\r\n")];
    let scheme = prop_oneof!["[Bb]earer", "[Tt]oken", "ApiKey", "api-key", "Key", "BASIC", "Digest"];
    (scheme, text.clone(), text, blank.clone(), blank).prop_map(|(scheme, one, other, before, after)| {
        let is_ours = |text: &String| text.starts_with("tok_");
        let (rest, presented) = match scheme.to_lowercase().as_str() {
            "bearer" => (one.clone(), vec![one]),
            "basic" => {
                (encode(format!("{one}:{other}").as_bytes()), vec![one, other].into_iter().filter(is_ours).collect())
            }
            "digest" => (one, vec![]),
            _ => (one.clone(), vec![one].into_iter().filter(is_ours).collect()),
        };
        (format!("{before}{scheme} {before}{rest}{after}"), presented)
    })
}

proptest! {
    #[test]
    fn one_token_is_found_wherever_it_stands_and_never_one_of_two(
        authorization in prop::collection::vec(any_value(), 0..3),
        key in prop::collection::vec("tok_[12]|other[12]", 0..2),
        joined: bool,
        others in prop::collection::btree_map("[a-w]{1,8}", "[ -~]{0,20}", 0..4),
    ) {
        let values: Vec<&str> = authorization.iter().map(|(value, _)| value.as_str()).collect();
        let mut given = json!(others);
        given["Authorization"] = if joined { json!(values.join(",")) } else { json!(values) };
        given["x-api-key"] = json!(key);
        let mut presented: Vec<&String> =
            authorization.iter().flat_map(|(_, presented)| presented).chain(&key).collect();
        presented.sort();
        presented.dedup();
        let expected = match presented[..] {
            [] => Missing,
            [one] => token(one),
            _ => Ambiguous,
        };
        let headers = headers(&given, None);
        prop_assert!(Credential::find(&headers, is_token) == Ok(expected), "{}", given);
    }
}
