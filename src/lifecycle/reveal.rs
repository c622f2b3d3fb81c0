//! `reveal`: shows a token text again that was kept sealed.

use std::rc::Rc;

use pgrx::Uuid;
use pgrx::prelude::*;
use zeroize::Zeroizing;

use super::handing_out::LockedToken;
use super::revoke::{StatusChange, record};
use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::token::{self, SealedRow};
use crate::error::{Error, ErrorReport, KeyError, KindError, TokenError};
use crate::keys::{self, NamedKey};
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::text::{Plaintext, Text};
use crate::token::Seal;

/// Returns the text of an active token again, if its kind keeps texts sealed.
///
/// A reveal is judged like `issue`, since it hands the token out, and recorded. The sealing key is in the key file,
/// outside the database; a token that is revoked or deleted loses its sealed text at once.
///
/// # Errors
/// `22004` for a NULL id or actor; `42501` when the token would grant more than its owner holds now; `42704` when no
/// such token exists or the actor may not see it; `55000` when its kind does not reveal, its text was not kept, it is
/// not active, or its key is missing; `XX001` when the stored text does not open.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT tokenauth.reveal(:'id');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn reveal(call: Call, id: Option<Uuid>, actor: default!(Option<Text>, "'session'")) -> Result<Plaintext, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let locked = LockedToken::lock(arguments::token_id(id)?, &actor)?;
    if !locked.kind.reveal {
        Err(KindError::NotRevealed(locked.kind.name.shown()))?;
    }
    locked.must_be_active()?;
    locked.may_be_revived()?;
    let id = locked.token.id;
    let text = token::sealed(id).ok_or(TokenError::NotSealed(id))?.open()?;
    record("token.revealed", locked.token, StatusChange::default(), &actor)?;
    Ok(Plaintext::from(text))
}

/// A sealed token text about to be stored.
pub struct Sealed {
    /// The sealed text.
    pub text: Vec<u8>,
    /// Id of the key that opens it.
    pub seal: Box<str>,
}

impl Sealed {
    /// The key that seals new texts.
    ///
    /// # Errors
    /// 55000 when there is none, or the key file is unusable.
    pub fn key() -> Result<Rc<NamedKey<Seal>>, KeyError> {
        keys::newest()?.ok_or(KeyError::NoSeal)
    }

    /// Seals the text of the token with this id.
    ///
    /// # Errors
    /// 58030 when the operating system provides no random bytes.
    pub fn close(seal: &NamedKey<Seal>, text: &[u8], id: Uuid) -> Result<Self, Error> {
        Ok(Sealed { text: seal.key.close(text, id.as_bytes())?, seal: seal.id.clone() })
    }
}

impl SealedRow {
    /// Opens the sealed text.
    ///
    /// # Errors
    /// 55000 when the key is missing or a different one, XX001 when this was not sealed for the token.
    pub fn open(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let seal = keys::named::<Seal>(self.seal.as_bytes(), &LatestSnapshot::take())?;
        seal.key.open(&self.sealed, self.id.as_bytes()).ok_or(TokenError::SealBroken(self.id).into())
    }
}
