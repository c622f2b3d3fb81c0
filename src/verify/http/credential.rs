//! Finds the token that a request presents in its headers.
//!
//! The search never chooses between two different tokens, since a proxy in front may have checked the other one. Texts
//! are borrowed where they can be, and `Debug` never shows them.

use std::borrow::Cow;
use std::fmt;

use super::basic;
use super::headers::{Headers, Value, trim};

/// The authentication scheme of RFC 6750, in any case as RFC 9110 section 11.1 requires: what follows is a token.
const BEARER: &str = "bearer";

/// Schemes in which other systems expect their keys: what follows may be a token of ours.
const OTHERS: [&str; 4] = ["token", "apikey", "api-key", "key"];

/// The scheme of RFC 7617, in which `curl -u` and git present a token as user or password.
const BASIC: &str = "basic";

/// The token that a request presents, if any.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential<'a> {
    /// No token, or only credentials of another system.
    Missing,
    /// Two different tokens.
    Ambiguous,
    /// One token, presented once or several times. It may still be malformed.
    Token(Cow<'a, [u8]>),
}

impl<'a> Credential<'a> {
    /// Finds the token in these headers. `is_token` tells whether a text that may be anything is a token.
    ///
    /// White space around a text is not part of it. A value is read as the comma-separated list into which proxies join
    /// repeated headers (RFC 9110 section 5.3), so a token cannot contain a comma. In headers other than
    /// `Authorization` the scheme may be left out.
    ///
    /// # Errors
    /// Those of `is_token`.
    pub fn find<E>(headers: &'a Headers, is_token: impl Fn(&[u8]) -> Result<bool, E>) -> Result<Self, E> {
        let mut found = Self::Missing;
        for value in &headers.values {
            for text in elements(value) {
                found = found.and_presented(text, value.needs_scheme, &is_token)?;
            }
        }
        Ok(found)
    }

    fn and_presented<E>(
        self,
        value: &'a str,
        needs_scheme: bool,
        is_token: impl Fn(&[u8]) -> Result<bool, E>,
    ) -> Result<Self, E> {
        let presented = SchemeValue::of(value);
        if let SchemeValue::Token(token) = presented {
            return Ok(self.and(Cow::Borrowed(token.as_bytes())));
        }
        let mut found = self;
        let mut is_found = false;
        for candidate in presented.candidates() {
            if is_token(&candidate)? {
                found = found.and(candidate);
                is_found = true;
            }
        }
        Ok(if is_found || needs_scheme { found } else { found.and(Cow::Borrowed(value.as_bytes())) })
    }

    fn and(self, token: Cow<'a, [u8]>) -> Self {
        match self {
            found if token.is_empty() => found,
            Self::Missing => Self::Token(token),
            Self::Token(first) if first == token => Self::Token(first),
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

/// The elements of a value that is a list.
fn elements(value: &Value) -> impl Iterator<Item = &str> {
    value.text.split(',').map(trim).filter(|element| !element.is_empty())
}

/// What one value presents, by its scheme.
enum SchemeValue<'a> {
    /// A token, whatever it is.
    Token(&'a str),
    /// A token, if it is one.
    Perhaps(&'a str),
    /// User and password, each a token if it is one.
    Basic(&'a str),
    /// The value has no scheme, or an unknown one.
    Unknown,
}

impl<'a> SchemeValue<'a> {
    fn of(value: &'a str) -> Self {
        let (scheme, rest) = value.split_once([' ', '\t', '\r', '\n']).unwrap_or((value, ""));
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let rest = trim(rest);
        if is(BEARER) {
            SchemeValue::Token(rest)
        } else if is(BASIC) {
            SchemeValue::Basic(rest)
        } else if OTHERS.into_iter().any(is) {
            SchemeValue::Perhaps(rest)
        } else {
            SchemeValue::Unknown
        }
    }

    fn candidates(self) -> Vec<Cow<'a, [u8]>> {
        match self {
            SchemeValue::Perhaps(text) => vec![Cow::Borrowed(text.as_bytes())],
            SchemeValue::Basic(text) => {
                basic::user_and_password(text).map_or(Vec::new(), |pair| pair.map(Cow::Owned).into())
            }
            SchemeValue::Token(_) | SchemeValue::Unknown => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
