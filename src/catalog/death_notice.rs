//! Notifications that the setting `tokenauth.notify` turns on: on the channel `tokenauth`, the transaction that kills
//! tokens announces their death, and the worker announces those about to expire.
//!
//! They contain only ids, since every role can listen.

use pgrx::Uuid;

use super::principal::{Covers, Principal};
use super::{expiry_notices, token};
use crate::model::principal_name::PrincipalName;
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::transaction::notify;
use crate::settings;

/// One more id than a message holds.
const MORE_THAN_LISTED: i64 = notify::MOST as i64 + 1;

/// Announces the death of a token that was alive.
pub fn died(token: Uuid) {
    if settings::notify() {
        notify::revoked([token]);
    }
}

/// How many dying tokens to list: one more than a message holds, or none when the setting is off.
pub fn most_listed() -> i64 {
    if settings::notify() { MORE_THAN_LISTED } else { 0 }
}

/// Announces the death of tokens; when the setting is on, asks `listed` for at most as many as it passes.
pub fn many_died(listed: impl FnOnce(i64) -> Vec<Uuid>) {
    if settings::notify() {
        notify::revoked(listed(MORE_THAN_LISTED));
    }
}

/// Announces more deaths than can be listed.
pub fn all_died() {
    if settings::notify() {
        notify::many_revoked();
    }
}

/// Announces the tokens of an owner that are about to die together. The owner must be locked with
/// [`Hold::Alone`](crate::catalog::principal::Hold::Alone).
pub fn owner_dies(owner: &PrincipalName, principal: &Principal, covers: Covers) {
    many_died(|most| token::alive_of(owner, principal, covers, most));
}

/// Announces tokens that expire within a week and within a day, once for each, and again when the expiry has changed;
/// not those issued for less than that term. Runs as the owner of our tables; does nothing when the setting is off or
/// the queue half full. The worker of a database calls this, each time in a transaction of its own, again while it
/// returns true.
pub fn expiring() -> bool {
    if !settings::notify() {
        return false;
    }
    let _owner = ActingAs::owner_of_ours();
    let due = expiry_notices::due(notify::MOST as i64);
    if due.is_empty() || !notify::expiring(&due) {
        return false;
    }
    expiry_notices::record(&due);
    due.len() == notify::MOST
}
