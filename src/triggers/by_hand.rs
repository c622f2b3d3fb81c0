//! What somebody who may write our tables changes of tokens and principals by hand, past every function: history tells
//! what was removed, and so do exports of revocations; and a principal's row that is written anew knows of the deaths
//! of its tokens.

use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::catalog::event::Event;
use crate::catalog::{principal, token};
use crate::error::Error;
use crate::pg::function::trigger::{RowChange, TriggerTuple};
use crate::pg::process::background_worker;
use crate::pg::roles::role;
use crate::pg::transaction::acting_as::is_ours;
use crate::pg::types::text::Text;

/// Whether no function of ours, no subscription and no update of the extension runs the statement.
pub fn is_by_hand() -> bool {
    !is_ours() && !background_worker::is_applying() && !role::is_creating_extension()
}

/// Records that a token was removed.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn token_changed(change: &RowChange) -> Result<(), Error> {
    let RowChange::Delete(removed) = change else { return Ok(()) };
    let row = removed.row();
    record(Event {
        event: "token.removed",
        token_id: row.optional(token::column::ID),
        kind: row.optional(token::column::KIND),
        owner: row.optional(token::column::OWNER),
        ..Event::default()
    })
}

/// Has the row of a principal know of what has killed its tokens, and records that a principal was removed.
///
/// # Errors
/// As [`token_changed`].
pub fn principal_changed(change: &RowChange) -> Result<(), Error> {
    let name = |row: &TriggerTuple| row.row().required::<Text>(principal::column::PRINCIPAL);
    match change {
        RowChange::Insert(new) => {
            keep_epochs(&name(new));
            Ok(())
        }
        RowChange::Update { old, new } if name(old) == name(new) => {
            if principal::is_behind(&new.row(), &old.row()) {
                keep_epochs(&name(new));
            }
            Ok(())
        }
        RowChange::Update { old, new } => {
            keep_epochs(&name(new));
            removed(name(old))
        }
        RowChange::Delete(old) => removed(name(old)),
    }
}

fn keep_epochs(name: &Text) {
    let _owner = Caller::of_trigger().act_as_owner();
    principal::keep_epochs(name);
}

fn removed(principal: Text) -> Result<(), Error> {
    record(Event { event: "principal.removed", owner: Some(principal), ..Event::default() })
}

fn record(event: Event) -> Result<(), Error> {
    let caller = Caller::of_trigger();
    let actor = Actor::behind(caller)?;
    let _owner = caller.act_as_owner();
    event.record(&actor)
}
