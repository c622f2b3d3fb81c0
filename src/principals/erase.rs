//! `erase`: forgets a principal, for a person who asks for it.

use pgrx::prelude::*;
use rand::TryRngCore;
use rand::rngs::OsRng;

use super::binding::holds;
use super::drop::drop_locked;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::catalog::event::append_only::Unlocked;
use crate::catalog::principal::{Hold, lock};
use crate::catalog::{erased, event};
use crate::error::{Error, ErrorReport, PrincipalError, ServerError};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::transaction::{name_lock, xact};
use crate::pg::types::json_object::JsonObject;
use crate::pg::types::text::Text;
use crate::usage;

/// Forgets a principal: drops it, and replaces its id wherever it stands; returns in how many rows.
///
/// Its tokens die. In tokens, deaths and history its id becomes `type:erased-<uuid>`; neither can be used again. Names,
/// descriptions, metadata, reasons, networks and addresses of its tokens, their usage and its events are cleared,
/// sealed texts wiped, and statistics made anew. What happened when remains. Backups, archived WAL and the server's log
/// still have it for as long as they are kept. It reads all events, and waits for transactions that may have written
/// the id. Added in 0.2.0.
///
/// # Errors
/// `22004` for a NULL principal; `42501` for a role that may not make trusted calls and under an identity; `42704` for
/// an unknown principal, one that was erased among them; `55000` while a bound table has a row of it, and for the id
/// that stands for an erased one.
///
/// # Access
/// `admin`
///
/// # Example
/// ```sql
/// SELECT tokenauth.erase('user:42') > 0 AS changed;
/// SELECT verdict FROM tokenauth.verify(:'token');
/// SELECT count(*) FROM tokenauth.events WHERE owner = 'user:42';
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn erase(call: Call, principal: Option<Text>) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let name = PrincipalName::given("principal", principal)?;
    if name.is_erased() {
        Err(PrincipalError::Erased)?;
    }
    Ok(forget(&name, &actor)?)
}

fn forget(name: &PrincipalName, actor: &Actor) -> Result<i64, Error> {
    // First of all, while nobody waits for this transaction.
    name_lock::hold_alone(name_lock::ANY);
    name_lock::hold_alone(name.as_bytes());
    let found = lock(name, Hold::Alone).ok_or_else(|| PrincipalError::NotFound(name.shown()))?;
    if holds(name, !found.state.dropped) {
        return Err(PrincipalError::StillBound(name.shown()).into());
    }
    if !found.state.dropped {
        drop_locked(name, &found, actor)?;
    }
    xact::mark_death();
    let pseudonym = pseudonym(name.principal_type())?;
    let (tokens, rows) = erased::erase(&name.text(), &pseudonym.text(), &Unlocked::new());
    usage::forget_clients(tokens);
    let after = JsonObject::new().integer("rows", i64::try_from(rows).ok());
    event::of_principal("principal.erased", &pseudonym, actor, None, Some(after.into()))?;
    erased::analyze();
    Ok(rows.cast_signed())
}

/// A name that says nothing.
fn pseudonym(of_type: &str) -> Result<PrincipalName, Error> {
    let mut bytes = [0; 16];
    OsRng.try_fill_bytes(&mut bytes).map_err(|_| ServerError::Random)?;
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let name = format!("{of_type}:{}{id}", PrincipalName::ERASED);
    Ok(PrincipalName::parse(name.as_bytes()).expect("a type and an id are a name"))
}
