//! The headers of a request: what is read of them, and which token they present.

use std::borrow::Cow;
use std::convert::Infallible;

use serde_json::Value as Json;

use crate::model::network::ClientAddress;
use crate::token::Presented;
use crate::verify::http::basic;
use crate::verify::http::credential::Credential;
use crate::verify::http::headers::{Headers, Names, Value, trim};

/// The names that a request may be read with.
const ONLY: [Option<&[u8]>; 3] = [None, Some(b"X-Token"), Some(b"authorization")];

/// The first byte chooses what is asked for, the rest is the document.
pub fn check(input: &[u8]) {
    let Some((&choice, document)) = input.split_first() else { return };
    let only = ONLY[usize::from(choice) % ONLY.len()];
    let names = Names { only, client: (choice & 0x80 != 0).then_some(b"x-forwarded-for") };
    let Some(mut headers) = Headers::read(document, names) else { return };
    let found = find(&headers);
    if let Credential::Token(token) = &found {
        let is_blank = |byte: Option<&u8>| byte.is_none_or(|byte| b" \t\r\n".contains(byte));
        assert!(!is_blank(token.first()) && !is_blank(token.last()), "blanks are no part of a token");
    }
    let found = into_owned(found);
    // A proxy may order and repeat headers as it likes.
    headers.values.reverse();
    assert!(into_owned(find(&headers)) == found, "the order of headers does not matter");
    headers.values.extend(copies(&headers.values));
    assert!(into_owned(find(&headers)) == found, "nor how often they come");
    assert!(!matches!(headers.client(0), ClientAddress::Known(_)), "there is no proxy number 0");

    if let Ok(json) = serde_json::from_slice::<Json>(document) {
        agrees_with_a_parser(&json, names);
    }
    if let Ok(text) = str::from_utf8(document) {
        schemes(text);
    }
}

fn find(headers: &Headers) -> Credential<'_> {
    let is_token = |text: &[u8]| Ok::<bool, Infallible>(Presented::parse(text).is_ok());
    match Credential::find(headers, is_token) {
        Ok(found) => found,
    }
}

fn into_owned(found: Credential<'_>) -> Credential<'static> {
    match found {
        Credential::Missing => Credential::Missing,
        Credential::Ambiguous => Credential::Ambiguous,
        Credential::Token(token) => Credential::Token(Cow::Owned(token.into_owned())),
    }
}

fn copies(values: &[Value]) -> Vec<Value> {
    values.iter().map(|value| Value { text: value.text.clone(), needs_scheme: value.needs_scheme }).collect()
}

/// Of a document without repeated names, what is kept is what a parser of the whole finds.
fn agrees_with_a_parser(json: &Json, names: Names<'_>) {
    let Some(headers) = Headers::read(json.to_string().as_bytes(), names) else { return };
    let wanted = |name: &str| match names.only {
        Some(only) => name.as_bytes().eq_ignore_ascii_case(only),
        None => ["authorization", "x-api-key"].iter().any(|known| name.eq_ignore_ascii_case(known)),
    };
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let expected: Vec<(String, bool)> = json
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| wanted(name))
        .flat_map(|(name, value)| {
            let texts = value.as_array().map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect());
            texts.into_iter().map(|text| (text, name.eq_ignore_ascii_case("authorization")))
        })
        .collect();
    let kept: Vec<_> = headers.values.into_iter().map(|value| (value.text, value.needs_scheme)).collect();
    assert!(kept == expected, "another parser finds other headers");
}

/// What stands after a scheme is what is presented.
fn schemes(text: &str) {
    let presented = trim(text);
    if presented.is_empty() || presented.contains(',') {
        return;
    }
    let header = |value: String| {
        let mut headers = Headers::default();
        headers.values.push(Value { text: value, needs_scheme: true });
        headers
    };
    let headers = header(format!("bEaReR {text}"));
    assert!(find(&headers) == Credential::Token(Cow::Borrowed(presented.as_bytes())));
    let token = Presented::parse(presented.as_bytes()).is_ok();
    let expected = if token { Credential::Token(Cow::Borrowed(presented.as_bytes())) } else { Credential::Missing };
    assert!(find(&header(format!("Token {text}"))) == expected);
    if let Some([user, password]) = basic::user_and_password(presented) {
        assert!(user.trim_ascii() == user && !user.contains(&b':') && password.trim_ascii() == password);
    }
}
