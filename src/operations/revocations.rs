//! `export_revocations` and `import_revocations`: keep dead what died after the backup that is restored.
//!
//! The document holds ids and names, no secret, and no digest but those of derived tokens that are dead. An import only
//! ever kills, disables, deactivates and shortens; importing again changes nothing more.

mod document;

use pgrx::prelude::*;
use serde_json::json;

use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::death_notice;
use crate::catalog::derived_death;
use crate::catalog::event::{self, Event};
use crate::catalog::exported;
use crate::catalog::id;
use crate::catalog::principal::{self, Hold, lock};
use crate::catalog::revocations::{self, Changed};
use crate::error::{Error, ErrorReport};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::process::database;
use crate::pg::report::message;
use crate::pg::transaction::open_writers;
use crate::pg::transaction::xact;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::principals::kill_revocable;
use document::Document;

/// Returns what has died since then, for `import_revocations()` after an older backup was restored.
///
/// The document has tokens revoked or deleted, mass deaths of the tokens of an owner, and owners deactivated, here or
/// brought by an import; also tokens disabled, expiries of tokens edited or rotated, and, from 0.2.0 on, derived tokens
/// revoked by themselves, by the digests of their texts, and tokens and principals whose rows somebody has deleted by
/// hand. Narrowed scopes and networks are not in it.
///
/// Exports that go on from the moment `until` of the one before miss nothing, so it lies before the begin of every
/// transaction that is about to kill something. A standby does not know of those: there it is `since`. If there is
/// more than one document should hold, it has `"more": true`, and the next one, from `until` on, has the rest.
///
/// # Arguments
/// - `since`: from when on
///
/// # Errors
/// `22004` for NULL.
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// SELECT tokenauth.revoke(:'id', 'laptop lost');
/// SELECT jsonb_array_length(d -> 'tokens') AS tokens, d -> 'tokens' -> 0 -> 'reason' AS reason
///   FROM tokenauth.export_revocations(since => now() - interval '1 day') d;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn export_revocations(call: Call, since: Option<Timestamp>) -> Result<Option<Jsonb>, ErrorReport> {
    let _owner = Caller::enter_to_look_back(call, "export_revocations")?.act_as_owner();
    let since = arguments::given("since", since)?;
    let Some((document, more)) = exported::document(since, id::first(since), complete_until(since)) else {
        return Ok(None);
    };
    if more {
        message::notice("there is more to export: go on with the moment \"until\" of this document".into());
    }
    Ok(Some(document))
}

/// Until when an export that is made right afterwards is complete.
fn complete_until(since: Timestamp) -> Timestamp {
    if database::is_in_recovery() {
        return since;
    }
    // In this order: whoever begins to kill after the second reads a later clock than this.
    let now = Timestamp::now();
    open_writers::oldest().map_or(now, |oldest| oldest.min(now))
}

/// Applies here what `export_revocations()` reports from elsewhere; returns how many tokens and principals changed.
///
/// A mass death covers only tokens issued before it, so those issued after the restore stay alive. Owners that had
/// become inactive are deactivated, also those of a bound table: the table, itself restored, then differs from them
/// until the application deactivates them again. Of principals that have been erased here since, no id and no reason is
/// written back. A NOTICE counts what does not exist here, such as tokens issued after
/// the backup.
///
/// # Arguments
/// - `revocations`: the document
///
/// # Errors
/// `22004` for NULL, `22023` for a document of another form, `42501` for a role that may not make trusted calls.
///
/// # Access
/// `admin`
///
/// # Example
/// ```sql
/// SAVEPOINT backup;
/// SELECT tokenauth.revoke(:'id', 'laptop lost');
/// SELECT tokenauth.export_revocations(since => now() - interval '1 day') AS revocations \gset
/// ROLLBACK TO backup;
/// SELECT tokenauth.import_revocations(:'revocations');
/// SELECT verdict FROM tokenauth.verify(:'token');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn import_revocations(call: Call, revocations: Option<Jsonb>) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_kill(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let document = arguments::given("revocations", revocations)?;
    Ok(apply_revocations(Document::parse(&document)?, &actor)?)
}

fn apply_revocations(document: Document, actor: &Actor) -> Result<i64, Error> {
    xact::mark_death();
    let inactive = held(document.inactive);
    revocations::hold(&document.named, &document.owners);
    let unknown = revocations::unknown(&document.named);
    let changed = Changed {
        revoked: revocations::kill(&document.tokens) + revocations::kill_all(&document.owners),
        disabled: revocations::disable(&document.disabled),
        shortened: revocations::shorten(&document.expiries),
        children: derived_death::record_all(&document.children),
    };
    if changed.revoked > 0 {
        death_notice::all_died();
    }
    let mut deactivated = 0;
    for (name, reason) in inactive {
        deactivated += i64::from(deactivate(&name, reason.as_ref(), actor)?);
    }
    let total = changed.revoked + changed.disabled + changed.shortened + changed.children + deactivated;
    if total > 0 {
        let mut after = json!({
            "revoked": changed.revoked,
            "disabled": changed.disabled,
            "shortened": changed.shortened,
            "deactivated": deactivated,
            "unknown": unknown,
        });
        if changed.children > 0 {
            after["derived"] = json!(changed.children);
        }
        Event { event: "revocations.imported", after: Some(Jsonb::of(&after)), ..Event::default() }.record(actor)?;
    }
    if document.more {
        message::notice("there is more to import: another export goes on from this one".into());
    }
    if unknown > 0 {
        message::notice(format!("tokens and principals that are not in this database: {unknown}"));
    }
    Ok(total)
}

/// Locks the principals that exist, in the order of their keys, and returns them.
fn held(mut named: Vec<(PrincipalName, Option<Text>)>) -> Vec<(PrincipalName, Option<Text>)> {
    named.sort_by(|one, other| one.0.cmp(&other.0));
    named.retain(|(name, _)| lock(name, Hold::Alone).is_some_and(|principal| !principal.state.dropped));
    named
}

/// Deactivates a locked principal, and returns whether it was active.
fn deactivate(name: &PrincipalName, reason: Option<&Text>, actor: &Actor) -> Result<bool, Error> {
    let Some(found) = lock(name, Hold::Alone).filter(|principal| principal.state.active) else {
        return Ok(false);
    };
    let before = principal::described(name);
    principal::set_inactive(name, reason);
    kill_revocable(name, &found, actor, reason);
    event::of_principal("principal.deactivated", name, actor, before, principal::described(name))?;
    Ok(true)
}
