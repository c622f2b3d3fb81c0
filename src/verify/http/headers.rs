//! Reads the few headers of a request that matter here, and passes over all others.
//!
//! Headers are a JSON object, as web frameworks and PostgREST pass them: each name maps to a value, or to an array of
//! values for a repeated header. A value of any other shape is none. What is passed over is neither kept nor parsed
//! into anything, whatever its size, depth or numbers.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::model::network::ClientAddress;

/// The header of RFC 9110 section 11.6.2; it presents a token only after a scheme.
const AUTHORIZATION: &[u8] = b"authorization";

/// The customary header for API keys; the value is the token.
const API_KEY: &[u8] = b"x-api-key";

/// Longest JSON text that is looked into: longer than any server accepts headers.
const MOST_BYTES: usize = 1 << 20;

/// The most values that are kept.
const MOST_VALUES: usize = 256;

/// The names of the headers that are read, in any ASCII case.
#[derive(Clone, Copy, Default)]
pub struct Names<'a> {
    /// The only header that may present a token, instead of `Authorization` and `X-API-Key`.
    pub only: Option<&'a [u8]>,
    /// The header in which proxies write whom they serve.
    pub client: Option<&'a [u8]>,
}

/// A value of a header that may present a token. Has no `Debug`.
pub struct Value {
    /// The value.
    pub text: String,
    /// Whether it can present a token only after a scheme.
    pub needs_scheme: bool,
}

/// The headers that are read, of one request.
#[derive(Default)]
pub struct Headers {
    /// The values that may present a token.
    pub values: Vec<Value>,
    /// The values of the header that names the client.
    client: Vec<String>,
    /// How many members of the object have that name: two of them are in no order.
    client_members: usize,
}

impl Headers {
    /// Reads them from a JSON text; anything but an object has none. `None` for a text that is longer than headers are,
    /// or has more values.
    pub fn read(json: &[u8], names: Names<'_>) -> Option<Self> {
        if json.len() > MOST_BYTES {
            return None;
        }
        // Only ASCII matters here, and other bytes need not be UTF-8.
        let text = String::from_utf8_lossy(json);
        let read = Members(names).deserialize(&mut serde_json::Deserializer::from_str(&text)).unwrap_or_default();
        (read.values.len().max(read.client.len()) <= MOST_VALUES).then_some(read)
    }

    /// The address that the `from_end`th proxy, counted from here, has written: values are lists to which each proxy
    /// appends whom it serves, so what comes before was written by anybody.
    pub fn client(&self, from_end: usize) -> ClientAddress {
        if self.client_members > 1 {
            return ClientAddress::Unreadable;
        }
        if self.client.iter().all(|value| trim(value).is_empty()) {
            return ClientAddress::NotGiven;
        }
        let mut addresses = self.client.iter().flat_map(|value| value.split(',')).rev();
        ClientAddress::read(from_end.checked_sub(1).and_then(|skipped| addresses.nth(skipped)).map(str::as_bytes))
    }
}

/// Trims the optional white space of RFC 9110 section 5.6.3, and line ends that a careless client or file has left.
pub fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t', '\r', '\n'])
}

/// What a member of the object is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Roles {
    /// It may present a token: whether only after a scheme.
    credential: Option<bool>,
    client: bool,
}

impl Names<'_> {
    fn roles(self, name: &str) -> Roles {
        let is = |other: &[u8]| name.as_bytes().eq_ignore_ascii_case(other);
        let presents = match self.only {
            Some(only) => is(only),
            None => is(AUTHORIZATION) || is(API_KEY),
        };
        Roles { credential: presents.then(|| is(AUTHORIZATION)), client: self.client.is_some_and(is) }
    }
}

/// Reads the object.
struct Members<'a>(Names<'a>);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Headers;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Headers, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Headers, M::Error> {
        let mut read = Headers::default();
        while let Some(roles) = members.next_key_seed(MemberName(self.0))? {
            if roles.credential.is_none() && !roles.client {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let mut texts = Vec::new();
            members.next_value_seed(Texts { found: &mut texts, is_element: false })?;
            if let Some(needs_scheme) = roles.credential {
                read.values.extend(texts.iter().map(|text| Value { text: text.clone(), needs_scheme }));
            }
            if roles.client {
                read.client_members += 1;
                read.client.append(&mut texts);
            }
        }
        Ok(read)
    }
}

/// Reads the name of a member.
struct MemberName<'a>(Names<'a>);

impl<'de> DeserializeSeed<'de> for MemberName<'_> {
    type Value = Roles;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Roles, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for MemberName<'_> {
    type Value = Roles;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Roles, E> {
        Ok(self.0.roles(name))
    }
}

/// Adds the texts of a value to a list: a text itself or, unless the value is an element of an array, those in an
/// array. One more than there may be is enough. What is no text is an empty one, so that nobody takes its neighbour for
/// it.
struct Texts<'a> {
    found: &'a mut Vec<String>,
    is_element: bool,
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.found.len() <= MOST_VALUES {
            self.found.push(text.to_owned());
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<(), S::Error> {
        if self.is_element {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return self.visit_str("");
        }
        while elements.next_element_seed(Texts { found: &mut *self.found, is_element: true })?.is_some() {}
        Ok(())
    }

    // An object, or a number that is passed as one to keep its digits.
    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.visit_str("")
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.visit_str("")
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.visit_str("")
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.visit_str("")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_str("")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.visit_str("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn client(headers: &serde_json::Value, from_end: usize) -> ClientAddress {
        let names = Names { client: Some(b"X-Forwarded-For"), ..Names::default() };
        Headers::read(headers.to_string().as_bytes(), names).unwrap().client(from_end)
    }

    fn known(address: &str) -> ClientAddress {
        let address = ClientAddress::read(Some(address.as_bytes()));
        assert!(address.known().is_some());
        address
    }

    #[test]
    fn the_client_is_the_address_that_the_last_trusted_proxy_has_written() {
        let headers = json!({"x-forwarded-for": ["6.6.6.6, 10.0.0.1", " 10.0.0.2:443 , 10.0.0.3"], "host": "a"});
        assert_eq!(client(&headers, 1), known("10.0.0.3"));
        assert_eq!(client(&headers, 2), known("10.0.0.2"));
        assert_eq!(client(&headers, 4), known("6.6.6.6"));
        assert_eq!(client(&headers, 5), ClientAddress::NotGiven);
        assert_eq!(client(&json!({"X-FORWARDED-FOR": "[::1]:80"}), 1), known("::1"));
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_skipped() {
        assert_eq!(client(&json!({"x-forwarded-for": "10.0.0.1, unknown"}), 1), ClientAddress::Unreadable);
        assert_eq!(client(&json!({"x-forwarded-for": "10.0.0.1, "}), 1), ClientAddress::Unreadable);
        assert_eq!(client(&json!({"x-forwarded-for": "10.0.0.1, unknown"}), 2), known("10.0.0.1"));
        for last in [json!(11), json!(null), json!({}), json!([]), json!(""), json!(true)] {
            assert_eq!(client(&json!({"x-forwarded-for": ["10.0.0.1", last]}), 1), ClientAddress::Unreadable, "{last}");
            assert_eq!(
                client(&json!({"x-forwarded-for": ["10.0.0.1", last, "10.0.0.2"]}), 2),
                ClientAddress::Unreadable
            );
        }
    }

    #[test]
    fn two_spellings_of_the_header_are_in_no_order_and_tell_nothing() {
        let headers = json!({"x-forwarded-for": "10.0.0.1", "X-Forwarded-For": "10.0.0.1"});
        assert_eq!(client(&headers, 1), ClientAddress::Unreadable);
    }

    #[test]
    fn a_header_that_is_absent_or_empty_tells_nothing() {
        for headers in
            [json!({}), json!([]), json!({"x-forwarded-for": ""}), json!({"x-forwarded-for": [7, null, " "]})]
        {
            assert_eq!(client(&headers, 1), ClientAddress::NotGiven, "{headers}");
        }
    }

    #[test]
    fn more_than_any_server_accepts_is_not_looked_into() {
        let read = |headers: serde_json::Value| Headers::read(headers.to_string().as_bytes(), Names::default());
        assert!(read(json!({"x-api-key": vec!["a"; MOST_VALUES]})).is_some());
        assert!(read(json!({"x-api-key": vec!["a"; MOST_VALUES + 1]})).is_none());
        assert!(read(json!({"host": "a".repeat(MOST_BYTES)})).is_none());
        assert!(read(json!({"host": vec!["a"; 100_000]})).is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(json: Vec<u8>) {
            let _ = Headers::read(&json, Names::default());
        }
    }
}
