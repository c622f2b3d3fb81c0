//! Removes rows that are no longer needed, in batches.
//!
//! Nothing here waits: rows that others have locked are left for the next time. Dependents go first or together.

use pgrx::Uuid;

use super::event::append_only::{PURGED, Unlocked};
use crate::catalog::token::life::{ends_at, is_killed_by, of_kind};
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::text::Text;

/// Removes at most `most` tokens that died or expired before this moment, with their usage, and returns how many.
pub fn remove_tokens(before: Timestamp, most: i64) -> i64 {
    // Verifications write usage in their own transactions: a token whose usage is being written stays.
    macro_rules! remove {
        ($($dead:expr),+) => {
            concat!(
                "WITH dead AS MATERIALIZED (SELECT t.id FROM ",
                $($dead,)+
                " LIMIT $2 FOR UPDATE OF t SKIP LOCKED),
                 uses AS MATERIALIZED (
                     SELECT u.token_id FROM tokenauth.usage u JOIN dead d ON d.id = u.token_id
                        FOR UPDATE OF u SKIP LOCKED),
                 forgotten AS (DELETE FROM tokenauth.usage u USING uses WHERE u.token_id = uses.token_id),
                 gone AS (
                     DELETE FROM tokenauth.token t
                      USING dead d
                      WHERE t.id = d.id
                        AND (d.id IN (SELECT token_id FROM uses)
                             OR NOT EXISTS (SELECT FROM tokenauth.usage u WHERE u.token_id = d.id))
                     RETURNING t.id),
                 announced AS (DELETE FROM tokenauth.announced a USING gone WHERE a.token_id = gone.id),
                 changed AS (DELETE FROM tokenauth.as_issued a USING gone WHERE a.token_id = gone.id)
                 SELECT count(*) FROM gone"
            )
        };
    }
    // What an import has brought counts from then on, or it would be gone before it is exported.
    static ALONE: Statement = Statement::new(remove!(
        "tokenauth.token t",
        of_kind!(),
        " WHERE (t.revoked_at < $1 AND (t.learned_at < $1 OR t.learned_at IS NULL) OR ",
        ends_at!(),
        " < $1)"
    ))
    .repeated();
    static WITH_OTHERS: Statement = Statement::new(remove!(
        "tokenauth.mass_death m JOIN tokenauth.token t ON ",
        is_killed_by!(),
        " WHERE m.at < $1"
    ))
    .repeated();
    let removed = count(&ALONE, arguments![before, most]);
    removed + if removed < most { count(&WITH_OTHERS, arguments![before, most - removed]) } else { 0 }
}

/// Wipes the sealed texts of at most `most` tokens killed by mass deaths, and returns how many. Whatever kills a single
/// token wipes its text at once.
pub fn wipe_sealed(most: i64) -> i64 {
    static WIPE: Statement = Statement::new(concat!(
        "WITH dead AS MATERIALIZED (
             SELECT t.id
               FROM tokenauth.mass_death m
               JOIN tokenauth.token t ON ",
        is_killed_by!(),
        "     WHERE t.seal IS NOT NULL
              LIMIT $1
                FOR NO KEY UPDATE OF t SKIP LOCKED),
         wiped AS (
             UPDATE tokenauth.token t SET sealed = NULL, seal = NULL FROM dead WHERE t.id = dead.id RETURNING t.id)
         SELECT count(*) FROM wiped",
    ))
    .repeated();
    count(&WIPE, arguments![most])
}

/// Removes at most `most` records of mass deaths before this moment that no token refers to any more, and returns how
/// many.
pub fn remove_mass_deaths(before: Timestamp, most: i64) -> i64 {
    static REMOVE: Statement = Statement::new(
        "WITH old AS MATERIALIZED (
             SELECT m.owner, m.epoch
               FROM tokenauth.mass_death m
              WHERE m.at < $1
                AND NOT EXISTS (SELECT FROM tokenauth.token t WHERE t.owner = m.owner AND t.owner_epoch < m.epoch)
              LIMIT $2
                FOR UPDATE SKIP LOCKED),
         gone AS (
             DELETE FROM tokenauth.mass_death m USING old
              WHERE m.owner = old.owner AND m.epoch = old.epoch RETURNING m.epoch)
         SELECT count(*) FROM gone",
    )
    .repeated();
    count(&REMOVE, arguments![before, most])
}

/// The condition that the principal `p` has neither tokens nor mass deaths left.
macro_rules! nothing_left {
    () => {
        "NOT EXISTS (SELECT FROM tokenauth.token t WHERE t.owner = p.principal)
         AND NOT EXISTS (SELECT FROM tokenauth.mass_death m WHERE m.owner = p.principal)"
    };
}

/// Removes at most `most` tombstones from before this moment that nothing refers to any more, and returns how many.
pub fn remove_tombstones(before: Timestamp, most: i64) -> i64 {
    // The next principal with this id begins at epoch 0, so an older token or mass death would count as its own. The
    // condition is checked again once the tombstones are locked: one may have been revived, issued a token and dropped
    // meanwhile.
    static HOLD: Statement = Statement::new(concat!(
        "SELECT p.principal FROM tokenauth.principal p WHERE p.dropped_at < $1 AND ",
        nothing_left!(),
        " LIMIT $2 FOR UPDATE SKIP LOCKED",
    ))
    .repeated();
    static REMOVE: Statement = Statement::new(concat!(
        "WITH gone AS (
             DELETE FROM tokenauth.principal p WHERE p.principal = ANY ($1) AND ",
        nothing_left!(),
        " RETURNING p.principal)
         SELECT count(*) FROM gone",
    ))
    .repeated();
    let held: TextArray = HOLD.all(arguments![before, most], |row| row.required::<Text>(1)).into_iter().collect();
    if held.is_empty() { 0 } else { count(&REMOVE, arguments![held]) }
}

/// Removes at most `most` events before this moment, the oldest first, and returns how many. `first` is the least id
/// that an event of that moment can have. The records of removals stay.
pub fn remove_events(before: Timestamp, first: Uuid, most: i64, _unlocked: &Unlocked) -> i64 {
    static REMOVE: Statement = Statement::new(
        "WITH old AS MATERIALIZED (
             SELECT id FROM tokenauth.event WHERE id < $1 AND at < $2 AND event <> $4 ORDER BY id LIMIT $3),
         gone AS (DELETE FROM tokenauth.event e USING old WHERE e.id = old.id RETURNING e.token_id, e.event),
         changed AS (
             DELETE FROM tokenauth.as_issued a USING gone
              WHERE a.token_id = gone.token_id AND gone.event IN ('token.issued', 'token.imported'))
         SELECT count(*) FROM gone",
    )
    .repeated();
    count(&REMOVE, arguments![first, before, most, PURGED])
}

/// Removes the records of removals before this moment. They are not counted: each removal makes a new record, so that
/// removing them would never come to an end.
pub fn remove_records(before: Timestamp, first: Uuid, _unlocked: &Unlocked) {
    static REMOVE: Statement =
        Statement::new("DELETE FROM tokenauth.event WHERE id < $1 AND at < $2 AND event = $3").repeated();
    REMOVE.run(arguments![first, before, PURGED]);
}

fn count(statement: &Statement, arguments: &[Argument]) -> i64 {
    statement.first(arguments, |row| row.required(1)).unwrap_or(0)
}
