//! Whose the tokens are that were found, cached in case one was pasted in several places.

use std::collections::HashMap;

use pgrx::Uuid;

use crate::catalog::token;
use crate::error::Error;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::types::text::Text;
use crate::token::{Digest, Presented};
use crate::verify::{derived, identify_token};

/// A token that was found.
#[derive(Clone)]
pub struct Whose {
    /// Its id; `None` if it is not of this database.
    pub id: Option<Uuid>,
    pub owner: Option<Text>,
    pub kind: Option<Text>,
    /// As in `tokenauth.tokens`, or `unknown`.
    pub status: Text,
}

/// The tokens found so far.
#[derive(Default)]
pub struct KnownTokens(HashMap<Vec<u8>, Whose>);

/// How many tokens are cached: about a megabyte.
const MOST: usize = 4096;

impl KnownTokens {
    /// Returns whose this token is.
    ///
    /// # Errors
    /// 55000 when its pepper is missing, or the key file has another key under its id.
    pub fn whose(&mut self, presented: &Presented) -> Result<Whose, Error> {
        let digest = presented.digest();
        self.known(&digest, || identify_token(presented.lookup(), &digest, None))
    }

    /// Returns whose the token is that the one with this text was derived from.
    ///
    /// # Errors
    /// As [`whose`](Self::whose).
    pub fn whose_child(&mut self, text: &[u8]) -> Result<Whose, Error> {
        self.known(&Digest::sha256(text), || Ok(derived::identify(text)?.map(|child| child.parent)))
    }

    fn known(
        &mut self,
        digest: &Digest,
        identify: impl FnOnce() -> Result<Option<Uuid>, Error>,
    ) -> Result<Whose, Error> {
        if let Some(whose) = self.0.get(digest.as_bytes()) {
            return Ok(whose.clone());
        }
        let whose = match identify()? {
            Some(id) => described(id),
            None => Whose { id: None, owner: None, kind: None, status: Text::from("unknown") },
        };
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(digest.as_bytes().to_vec(), whose.clone());
        Ok(whose)
    }
}

fn described(id: Uuid) -> Whose {
    static STATUS: Statement = Statement::new("SELECT status FROM tokenauth.tokens WHERE id = $1");
    let _owner = ActingAs::owner_of_ours();
    let token = token::find(id);
    let status = STATUS.first(arguments![id], |row| row.required(1));
    Whose {
        id: Some(id),
        owner: token.as_ref().map(|token| token.owner.clone()),
        kind: token.map(|token| token.kind),
        // The view has all tokens except deleted ones.
        status: status.unwrap_or_else(|| Text::from("revoked")),
    }
}
