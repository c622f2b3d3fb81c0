//! Revokes tokens that nobody has used for longer than the `max_idle` of their kind: the worker every hour, and
//! `enforce`.
//!
//! Only where every use in all of that time is known (`usage/complete.rs`): a token that was used on a copy, while the
//! server was down or before a restore is not idle, and what is revoked stays so.

use pgrx::{PgLogLevel, Uuid};

use super::enforce::record;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::catalog::death_notice;
use crate::catalog::kind;
use crate::catalog::noncompliance::{self, Page};
use crate::error::finding::Finding;
use crate::error::{Error, ErrorReport, RuleError};
use crate::model::kind::Kind;
use crate::model::rule::Rule;
use crate::pg::process::database;
use crate::pg::transaction::xact;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::text::Text;
use crate::usage::complete;

/// How many tokens the worker looks at in one transaction.
const PAGE: i64 = 10_000;

/// Since when all uses of tokens are known, if that is for as long as tokens of this kind may be idle.
///
/// # Errors
/// What is not known, as an error that nobody raises.
pub fn counted_since(kind: &Kind) -> Result<Timestamp, RuleError> {
    let held_back = |because| RuleError::HeldBack { kind: kind.name.shown(), because };
    let since = complete::since().map_err(|unknown| held_back(unknown.because()))?;
    let limit = kind.max_idle.as_ref().and_then(|idle| Timestamp::now().minus(idle));
    if limit.is_some_and(|limit| limit < since) {
        return Err(held_back(format!("every use is known since {} only", since.shown())));
    }
    Ok(since)
}

/// As [`counted_since`]; tells in a WARNING what is not known. `None` also for a kind whose tokens may be idle.
pub fn counted_since_or_warn(kind: &Kind) -> Option<Timestamp> {
    kind.max_idle.as_ref()?;
    counted_since(kind).map_err(|held_back| ErrorReport::from(held_back).report(PgLogLevel::WARNING)).ok()
}

/// Revokes the idle tokens of a kind, and returns how many.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn revoke_all(kind: &Text, since: Timestamp, reason: Option<&Text>, actor: &Actor) -> Result<usize, Error> {
    let (mut after, mut died) = (FIRST, 0);
    loop {
        let page = revoke(Some(kind), after, since, reason, actor)?;
        died += page.died.len();
        match page.last {
            Some(last) => after = *last.as_bytes(),
            None => return Ok(died),
        }
    }
}

/// Before the id of every token.
pub const FIRST: [u8; 16] = [0; 16];

/// Revokes the idle ones among the tokens after this one, as many as one transaction looks at, and returns the last of
/// these; `None` if there are no others, or nothing can be told about them. The worker of a database calls this, each
/// time in a transaction of its own.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn revoke_some(after: [u8; 16]) -> Result<Option<[u8; 16]>, Error> {
    if kind::all().iter().all(|kind| kind.max_idle.is_none()) {
        return Ok(None);
    }
    let Ok(since) = complete::since() else { return Ok(None) };
    let page = revoke(None, after, since, None, &Actor::itself(Caller::of_trigger()))?;
    Ok(page.last.map(|last| *last.as_bytes()))
}

fn revoke(
    kind: Option<&Text>,
    after: [u8; 16],
    since: Timestamp,
    reason: Option<&Text>,
    actor: &Actor,
) -> Result<Page, Error> {
    let default = Text::from(Rule::Idle.as_str());
    let after = Uuid::from_bytes(after);
    let page = noncompliance::revoke_idle(kind, after, PAGE, since, &actor.recorded(), reason.unwrap_or(&default));
    if !page.died.is_empty() {
        xact::mark_death();
    }
    death_notice::many_died(|most| page.died.iter().take(most as usize).map(|(id, _)| *id).collect());
    // In the order of kinds.
    for of_one in page.died.chunk_by(|(_, one), (_, next)| one == next) {
        record(Rule::Idle, &of_one[0].1, of_one.len(), reason, actor)?;
    }
    Ok(page)
}

/// What keeps tokens of kinds with a `max_idle` from being revoked.
pub fn findings() -> Vec<Finding> {
    if database::is_in_recovery() {
        return Vec::new();
    }
    let finding = |kind: Kind| {
        let held_back = Error::from(counted_since(&kind).err()?);
        Some(Finding::new("usage", &format!("kind {}", kind.name.shown()), &held_back.whole(), &held_back.hint()))
    };
    kind::all().into_iter().filter(|kind| kind.max_idle.is_some()).filter_map(finding).collect()
}
