//! `accept_restore`: opens a server that is fenced.

use pgrx::prelude::*;
use serde_json::{Value, json};

use crate::access::actor::{Actor, refuse_identity};
use crate::access::sql_privileges::refuse_all_but_owner;
use crate::arguments::caller::Caller;
use crate::catalog::event::Event;
use crate::error::{Error, ErrorReport};
use crate::fence::{self, Refusal};
use crate::pg::function::call::Call;
use crate::pg::transaction::guc_scope::{GucScope, SEARCH_PATH};
use crate::pg::transaction::xact;
use crate::pg::types::jsonb::Jsonb;
use crate::settings;

/// Lets a server that has come back older than it was verify and change tokens again; returns whether it was fenced.
///
/// Call it when what died since the backup is dead here too: after `import_revocations`, or in one transaction with
/// `revoke_all`. From the commit on it counts for the whole server, with all of its databases, and the file that
/// `tokenauth.fence_file` names says where this server is; it is also written where it is missing. A server that does
/// not have the setting any more counts as fenced until then, and so do its standbys. Added in 0.2.0.
///
/// # Errors
/// `42501` for anybody but the extension's owner, and even for that under an identity, `25006` as long as the server is
/// in recovery, `55000` when the file cannot be written, or what is there is no fence file.
///
/// # Access
/// the extension's owner
///
/// # Example
/// ```sql
/// SELECT tokenauth.accept_restore() AS was_fenced;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn accept_restore(call: Call) -> Result<bool, ErrorReport> {
    let caller = Caller::enter(call)?;
    let _path = GucScope::set(&[SEARCH_PATH]);
    refuse_identity()?;
    refuse_all_but_owner(caller)?;
    xact::refuse_read_only(c"tokenauth.accept_restore()");
    let refusal = fence::refusal();
    if refusal.is_none() && !fence::is_unaccepted() {
        fence::write_missing_at_commit()?;
        return Ok(false);
    }
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    accept(refusal.as_ref(), &actor)?;
    Ok(true)
}

fn accept(refusal: Option<&Refusal>, actor: &Actor) -> Result<(), Error> {
    // What it lets happen must not outlast its event in a crash, nor begin by somebody else's COMMIT PREPARED.
    xact::mark_death();
    let before = match refusal {
        Some(Refusal::Behind { written: Some(written), .. }) => json!({ "fence": fence::shown(written.place) }),
        _ => Value::Null,
    };
    let after = fence::accept_at_commit()?.map(|here| json!({ "fence": fence::shown(here.place) }));
    // A reader has no events, and refuses to record any.
    if settings::reader() {
        return Ok(());
    }
    let json = |value: &Value| (!value.is_null()).then(|| Jsonb::of(value));
    Event { event: "restore.accepted", before: json(&before), after: after.as_ref().and_then(json), ..Event::default() }
        .record(actor)
}
