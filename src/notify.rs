//! What the setting `tokenauth.notify` turns on: listeners on the channel `tokenauth` hear of tokens that have died, by the
//! transaction that killed them, and of tokens that are about to expire, by the worker.
//!
//! Ids and nothing else, since every role can listen.

use pgrx::Uuid;

use crate::catalog::principal::{Covers, Principal};
use crate::catalog::principals::Changes;
use crate::catalog::{announced, token};
use crate::pg::meanwhile::Meanwhile;
use crate::pg::notify;
use crate::pg::user::ActingAs;
use crate::principal::PrincipalName;
use crate::settings;

/// One more than a message lists.
const MORE_THAN_LISTED: i64 = notify::MOST as i64 + 1;

/// Tells of a token that was alive and dies.
pub fn died(token: Uuid) {
    if settings::notify() {
        notify::revoked([token]);
    }
}

/// How many of those that die need be listed: one more than a message holds, and none when nobody is told.
pub fn most_listed() -> i64 {
    if settings::notify() { MORE_THAN_LISTED } else { 0 }
}

/// Tells of tokens that die, of which no more are listed than this function is given; it is asked only when somebody is told.
pub fn many_died(listed: impl FnOnce(i64) -> Vec<Uuid>) {
    if settings::notify() {
        notify::revoked(listed(MORE_THAN_LISTED));
    }
}

/// Tells that more die than anybody has listed.
pub fn all_died() {
    if settings::notify() {
        notify::many_revoked();
    }
}

/// Tells of the tokens of an owner, which must be held alone, that are about to die together.
pub fn owner_dies(owner: &PrincipalName, principal: &Principal, covers: Covers) {
    many_died(|most| token::alive_of(owner, principal, covers, most));
}

/// Tells of the tokens that die because their owners change or go with these changes.
pub fn owners_die(changes: &Changes) {
    many_died(|most| changes.doomed(most));
}

/// What the worker of a database calls, in a transaction of its own, every now and then and again while it answers true:
/// tells of tokens that expire within a week, and within a day, each once for either and once more when the expiry has been
/// changed; as the owner of our tables and whatever the search path. Tokens that were issued for less than a week, or a day,
/// are no news then. Does nothing when the setting is off or the queue half full.
pub fn expiring() -> bool {
    if !settings::notify() {
        return false;
    }
    let _path = Meanwhile::set(&[(c"search_path", c"pg_catalog, pg_temp")]);
    let _owner = ActingAs::owner_of_ours();
    let due = announced::due(notify::MOST as i64);
    if due.is_empty() || !notify::expiring(&due) {
        return false;
    }
    announced::remember(&due);
    due.len() == notify::MOST
}
