//! What somebody who may write our tables changes of tokens and principals by hand, past every function.
//!
//! History tells what was removed, and so do exports of revocations. What dies by that stays dead: the death of a
//! principal's tokens is remembered when its row goes, or says that it is inactive, and each row that comes knows of
//! it. `erase` waits for whoever has written by hand, since that may be any id.

use super::typed::{self, Column};
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::catalog::event::Event;
use crate::catalog::principal::{self, Covers, Epochs};
use crate::catalog::{member, token};
use crate::error::Error;
use crate::model::principal_name::PrincipalName;
use crate::pg::function::trigger::{RowChange, TriggerTuple};
use crate::pg::process::background_worker;
use crate::pg::roles::role;
use crate::pg::transaction::acting_as::is_ours;
use crate::pg::transaction::name_lock;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::json_object::JsonObject;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// Whether no function of ours, no subscription and no update of the extension runs the statement.
pub fn is_by_hand() -> bool {
    !is_ours() && !background_worker::is_applying() && !role::is_creating_extension()
}

/// Has `erase` wait for this transaction, and this transaction for an `erase` that is under way.
pub fn hold_names() {
    name_lock::hold(name_lock::ANY);
}

/// Records that a token was removed, and refuses a token's text where somebody reads it.
///
/// # Errors
/// 22023 for a text that has a token in it, 58030 when the operating system provides no random bytes.
pub fn token_changed(change: &RowChange) -> Result<(), Error> {
    const TYPED: [(&str, Column); 6] = [
        ("name", Column::Text(token::column::NAME)),
        ("description", Column::Text(token::column::DESCRIPTION)),
        ("hint", Column::Text(token::column::HINT)),
        ("scopes", Column::Text(token::column::SCOPES)),
        ("data_scopes", Column::Document(token::column::DATA_SCOPES)),
        ("metadata", Column::Document(token::column::METADATA)),
    ];
    match change {
        RowChange::Insert(_) => Ok(()),
        RowChange::Update { old, new } => Ok(typed::refuse_tokens(&TYPED, Some(&old.row()), &new.row())?),
        RowChange::Delete(removed) => {
            let row = removed.row();
            record(Event {
                event: "token.removed",
                token_id: row.optional(token::column::ID),
                kind: row.optional(token::column::KIND),
                owner: row.optional(token::column::OWNER),
                ..Event::default()
            })
        }
    }
}

/// Keeps dead what has died, whatever was done to the row of a principal, and records that one was removed.
///
/// Called also for a new row of ours that knows of a death.
///
/// # Errors
/// As [`token_changed`].
pub fn principal_changed(change: &RowChange) -> Result<(), Error> {
    match change {
        RowChange::Insert(new) if is_by_hand() => came(&new.row()),
        RowChange::Insert(new) if is_ours() => {
            principal::remember_past(&name(new));
            Ok(())
        }
        RowChange::Insert(_) => Ok(()),
        RowChange::Update { old, new } if name(old) == name(new) => stayed(&old.row(), &new.row()),
        RowChange::Update { old, new } => {
            went(&old.row())?;
            came(&new.row())
        }
        RowChange::Delete(old) => went(&old.row()),
    }
}

/// Remembers that all tokens have died with the rows of all principals, which TRUNCATE has removed, and records it.
///
/// # Errors
/// As [`token_changed`].
pub fn principals_truncated() -> Result<(), Error> {
    let by = Actor::behind(Caller::of_trigger())?.recorded();
    let owners = {
        let _owner = Caller::of_trigger().act_as_owner();
        member::remove_everybody();
        principal::remember_all_removed(by)
    };
    if owners == 0 {
        return Ok(());
    }
    let after = JsonObject::new().integer("owners", i64::try_from(owners).ok());
    record(Event { event: "principals.removed", after: Some(after.into()), ..Event::default() })
}

/// A row that somebody has written knows of the deaths that are remembered. One that has just been made begins as if it
/// had been put; any other comes from a dump, whose tokens may be there before it, or passes for that.
fn came(row: &Row) -> Result<(), Error> {
    let name: Text = row.required(principal::column::PRINCIPAL);
    if row.optional(principal::column::CREATED_AT) == Some(Timestamp::transaction_start()) {
        refuse_tokens(None, row)?;
        let _owner = Caller::of_trigger().act_as_owner();
        principal::begin_anew(&name);
        principal::remember_past(&name);
    } else {
        keep(&name, Epochs::of(row), Epochs::remembered(&name));
    }
    Ok(())
}

/// A row knows of no fewer deaths than before, and whoever is not active or there any more has died as by a function.
fn stayed(old: &Row, new: &Row) -> Result<(), Error> {
    refuse_tokens(Some(old), new)?;
    let name: Text = new.required(principal::column::PRINCIPAL);
    let (was, is) = (Epochs::of(old), Epochs::of(new));
    if is.are_behind(was) {
        keep(&name, is, was.with(Epochs::remembered(&name)));
    }
    let is_there = |row: &Row| row.is_null(principal::column::DROPPED_AT);
    let is_active = |row: &Row| row.required::<bool>(principal::column::ACTIVE);
    let died = if is_there(old) && !is_there(new) {
        Some((Covers::All, Some(Text::from("owner dropped"))))
    } else if is_active(old) && !is_active(new) {
        Some((Covers::Revocable, new.optional(principal::column::STATE_REASON)))
    } else {
        None
    };
    if let Some((covers, reason)) = died {
        let caller = Caller::of_trigger();
        let by = Actor::behind(caller)?.recorded();
        let _owner = caller.act_as_owner();
        if covers == Covers::All {
            leave(&name);
        }
        principal::begin_epoch_by_hand(name, covers, by, reason);
    }
    Ok(())
}

/// Whoever has no row any more is gone as if it had been dropped.
fn went(row: &Row) -> Result<(), Error> {
    let name: Text = row.required(principal::column::PRINCIPAL);
    let caller = Caller::of_trigger();
    let by = Actor::behind(caller)?.recorded();
    {
        let _owner = caller.act_as_owner();
        leave(&name);
        Epochs::of(row).remember_removed(&name, by);
    }
    record(Event { event: "principal.removed", owner: Some(name), ..Event::default() })
}

/// Removes the memberships of a principal, whatever it is called.
fn leave(name: &Text) {
    if let Ok(principal) = PrincipalName::parse(name.as_bytes()) {
        member::remove_all(&principal);
    }
}

fn keep(name: &Text, known: Epochs, at_least: Epochs) {
    if known.are_behind(at_least) {
        let _owner = Caller::of_trigger().act_as_owner();
        known.with(at_least).write(name);
    }
}

fn refuse_tokens(old: Option<&Row>, new: &Row) -> Result<(), Error> {
    const TYPED: [(&str, Column); 4] = [
        ("principal", Column::Text(principal::column::PRINCIPAL)),
        ("permissions", Column::List(principal::column::PERMISSIONS)),
        ("data_scopes", Column::Document(principal::column::DATA_SCOPES)),
        ("display_name", Column::Text(principal::column::DISPLAY_NAME)),
    ];
    Ok(typed::refuse_tokens(&TYPED, old, new)?)
}

fn name(row: &TriggerTuple) -> Text {
    row.row().required(principal::column::PRINCIPAL)
}

fn record(event: Event) -> Result<(), Error> {
    let caller = Caller::of_trigger();
    let actor = Actor::behind(caller)?;
    let _owner = caller.act_as_owner();
    event.record(&actor)
}
