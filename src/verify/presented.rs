//! What a request presents: a token somewhere in its headers, and the address of its client.

use super::derived::Child;
use super::http::{Credential, Headers, Names};
use super::identify::identify_digest;
use super::imported::find_import;
use super::{Claim, FOREIGN, Outcome, Question, cache};
use crate::error::Error;
use crate::model::network::ClientAddress;
use crate::model::verdict::Verdict;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::settings;

/// A request, of which only its headers count.
pub struct Request {
    /// `None`: they are longer than any server accepts.
    headers: Option<Headers>,
}

impl Request {
    /// The request with the headers in this JSON text; `only` names the one header that may present a token.
    pub fn read(json: &[u8], only: Option<&[u8]>) -> Self {
        let client = settings::client_header();
        let names = Names { only, client: client.as_deref() };
        Request { headers: Headers::read(json, names) }
    }

    /// The request that the arguments of a function describe.
    pub fn of_arguments(headers: Option<&Jsonb>, header: Option<&Text>) -> Self {
        Self::read(headers.map_or(&[], Jsonb::as_bytes), header.map(Text::as_bytes))
    }

    /// Whether it presents no token at all.
    ///
    /// # Errors
    /// Those of looking for imported tokens.
    pub fn is_anonymous(&self) -> Result<bool, Error> {
        Ok(match &self.headers {
            Some(headers) => Credential::find(headers, is_token)? == Credential::Missing,
            None => false,
        })
    }

    fn client(&self) -> ClientAddress {
        self.headers.as_ref().map_or(ClientAddress::NotGiven, |headers| headers.client(settings::client_proxies()))
    }
}

impl Question {
    /// Judges what a request presents, and counts the use. A client that the caller has not told is the request's.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
    pub fn ask_of(mut self, request: &Request) -> Result<Outcome, Error> {
        if self.client == ClientAddress::NotGiven {
            self.client = request.client();
        }
        let Some(headers) = &request.headers else {
            return self.ask(Claim::Bad(Verdict::Malformed));
        };
        match Credential::find(headers, is_token)? {
            Credential::Missing => self.ask(Claim::Bad(Verdict::Missing)),
            Credential::Ambiguous => self.ask(Claim::Bad(Verdict::Ambiguous)),
            Credential::Token(token) => self.ask(Claim::of_text(&token)),
        }
    }
}

/// Whether a text that may be anything is a token: one of our form, or one that was imported.
///
/// # Errors
/// Those of [`identify_digest`].
fn is_token(text: &[u8]) -> Result<bool, Error> {
    let text = match Claim::of_text(text) {
        Claim::Token { .. } => return Ok(true),
        Claim::Child(text) if Child::parse(text).is_ok() => return Ok(true),
        Claim::Child(text) if !FOREIGN.contains(&text.len()) => return Ok(false),
        Claim::Bad(_) => return Ok(false),
        Claim::Child(text) | Claim::Foreign(text) => text,
    };
    Ok(find_import(&cache::imports(), None, Some(text), identify_digest)?.is_some())
}
