//! `reveal`: a token text that was kept sealed, shown again.

use std::rc::Rc;

use pgrx::Uuid;
use pgrx::prelude::*;
use zeroize::Zeroizing;

use crate::actor::Actor;
use crate::argument;
use crate::catalog::token::{self, SealedRow};
use crate::error::{Error, ErrorReport};
use crate::handing_out::Held;
use crate::keys::{self, Key};
use crate::pg::snapshot::Latest;
use crate::pg::text::{Plaintext, Text};
use crate::revoke::record;
use crate::token::Seal;

/// Shows the text of a token again, if its kind keeps texts sealed, as long as the token works.
///
/// Judged like `issue`, since it hands the token out, and recorded. Texts are kept under a key of the key file, which is
/// not in the database; a token that is revoked or deleted loses its own at once.
///
/// # Errors
/// `22004` for a NULL id or actor; `42501` when the token would grant more than its owner holds now; `42704` when no such
/// token exists; `55000` when its kind does not reveal, its text was not kept, it is not active, or its key is missing;
/// `XX001` when what is stored does not open.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn reveal(id: Option<Uuid>, actor: default!(Option<Text>, "'session'")) -> Result<Plaintext, ErrorReport> {
    let actor = Actor::resolve(actor)?;
    let held = Held::lock(argument::token_id(id)?, &actor)?;
    if !held.kind.reveal {
        Err(Error::KindDoesNotReveal(held.kind.name.shown()))?;
    }
    held.must_be_active()?;
    held.may_be_revived()?;
    let id = held.token.id;
    let text = token::sealed(id).ok_or(Error::NotSealed(id))?.open()?;
    record("token.revealed", held.token, None, None, None, &actor)?;
    Ok(Plaintext::from(text))
}

/// A token text about to be stored sealed.
pub struct Sealed {
    /// What is stored.
    pub text: Vec<u8>,
    /// Id of the key that opens it.
    pub seal: Box<str>,
}

impl Sealed {
    /// The key that new texts are sealed with.
    ///
    /// # Errors
    /// 55000 when there is none, or the key file cannot be used.
    pub fn key() -> Result<Rc<Key<Seal>>, Error> {
        keys::newest()?.ok_or(Error::NoSeal)
    }

    /// Seals the text of the token with this id.
    ///
    /// # Errors
    /// 58030 when the operating system gives no random bytes.
    pub fn close(seal: &Key<Seal>, text: &[u8], id: Uuid) -> Result<Self, Error> {
        Ok(Sealed { text: seal.key.close(text, id.as_bytes())?, seal: seal.id.clone() })
    }
}

impl SealedRow {
    /// The text.
    ///
    /// # Errors
    /// 55000 when the key is missing or another one, XX001 when this is not what was stored for the token.
    pub fn open(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let seal = keys::named::<Seal>(self.seal.as_bytes(), &Latest::take())?;
        seal.key.open(&self.sealed, self.id.as_bytes()).ok_or(Error::SealBroken(self.id))
    }
}
