//! Removes rows that are no longer needed, in batches.
//!
//! Nothing here waits: rows that others have locked are left for the next time. Dependents go first or together. Each
//! batch is chosen and locked by one statement, however the planner finds it, and removed by another that goes to each
//! row by its key.

use pgrx::Uuid;

use super::event::append_only::{PURGED, Unlocked};
use crate::catalog::token::life::{ends_at, is_killed_by, of_kind};
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::text::Text;

/// Removes at most `most` tokens that died or expired before this moment, with their usage, and returns how many.
pub fn remove_tokens(before: Timestamp, most: i64) -> i64 {
    macro_rules! hold {
        ($($dead:expr),+) => {
            concat!("SELECT t.id FROM ", $($dead,)+ " LIMIT $2 FOR UPDATE OF t SKIP LOCKED")
        };
    }
    // What an import has brought counts from then on, or it would be gone before it is exported.
    static ALONE: Statement = Statement::new(hold!(
        "tokenauth.token t",
        of_kind!(),
        " WHERE (t.revoked_at < $1 AND (t.learned_at < $1 OR t.learned_at IS NULL) OR ",
        ends_at!(),
        " < $1)"
    ))
    .repeated();
    static WITH_OTHERS: Statement =
        Statement::new(hold!("tokenauth.mass_death m JOIN tokenauth.token t ON ", is_killed_by!(), " WHERE m.at < $1"))
            .repeated();
    // Verifications write usage in their own transactions: a token whose usage is being written stays.
    static REMOVE: Statement = Statement::by_key(
        "WITH dead AS MATERIALIZED (SELECT DISTINCT id FROM unnest($1::uuid[]) id),
         uses AS MATERIALIZED (
             SELECT u.token_id FROM dead d JOIN tokenauth.usage u ON u.token_id = d.id FOR UPDATE OF u SKIP LOCKED),
         forgotten AS (DELETE FROM tokenauth.usage u USING uses WHERE u.token_id = uses.token_id),
         gone AS (
             DELETE FROM tokenauth.token t
              USING (SELECT token_id AS id FROM uses
                     UNION ALL
                     SELECT d.id FROM dead d
                      WHERE NOT EXISTS (SELECT FROM tokenauth.usage u WHERE u.token_id = d.id)) d
              WHERE t.id = d.id
             RETURNING t.id),
         announced AS (DELETE FROM tokenauth.announced a USING gone WHERE a.token_id = gone.id),
         changed AS (DELETE FROM tokenauth.as_issued a USING gone WHERE a.token_id = gone.id)
         SELECT count(*) FROM gone",
    )
    .repeated();
    let remove = |dead: &Statement, most: i64| match ids(dead, arguments![before, most]) {
        none if none.is_empty() => 0,
        dead => count(&REMOVE, arguments![dead]),
    };
    let removed = remove(&ALONE, most);
    removed + if removed < most { remove(&WITH_OTHERS, most - removed) } else { 0 }
}

/// Wipes the sealed texts of at most `most` tokens killed by mass deaths, and returns how many. Whatever kills a single
/// token wipes its text at once.
pub fn wipe_sealed(most: i64) -> i64 {
    static HOLD: Statement = Statement::new(concat!(
        "SELECT t.id
           FROM tokenauth.mass_death m
           JOIN tokenauth.token t ON ",
        is_killed_by!(),
        " WHERE t.seal IS NOT NULL
          LIMIT $1
            FOR NO KEY UPDATE OF t SKIP LOCKED",
    ))
    .repeated();
    static WIPE: Statement =
        Statement::by_key("UPDATE tokenauth.token SET sealed = NULL, seal = NULL WHERE id = ANY ($1)").repeated();
    match ids(&HOLD, arguments![most]) {
        none if none.is_empty() => 0,
        dead => WIPE.run(arguments![dead]).cast_signed(),
    }
}

/// Removes at most `most` records of mass deaths before this moment that no token refers to any more, and returns how
/// many.
pub fn remove_mass_deaths(before: Timestamp, most: i64) -> i64 {
    static HOLD: Statement = Statement::new(
        "SELECT m.owner, m.epoch
           FROM tokenauth.mass_death m
          WHERE m.at < $1
            AND NOT EXISTS (SELECT FROM tokenauth.token t WHERE t.owner = m.owner AND t.owner_epoch < m.epoch)
          LIMIT $2
            FOR UPDATE SKIP LOCKED",
    )
    .repeated();
    static REMOVE: Statement = Statement::by_key(
        "DELETE FROM tokenauth.mass_death m USING unnest($1::text[], $2::bigint[]) old (owner, epoch)
          WHERE m.owner = old.owner COLLATE \"C\" AND m.epoch = old.epoch",
    )
    .repeated();
    let old: Vec<(Text, i64)> = HOLD.all(arguments![before, most], |row| (row.required(1), row.required(2)));
    if old.is_empty() {
        return 0;
    }
    let (owners, epochs): (Vec<Text>, Vec<i64>) = old.into_iter().unzip();
    REMOVE.run(arguments![owners.into_iter().collect::<TextArray>(), epochs]).cast_signed()
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
    static REMOVE: Statement = Statement::by_key(concat!(
        "DELETE FROM tokenauth.principal p WHERE p.principal = ANY ($1) AND ",
        nothing_left!()
    ))
    .repeated();
    let held: TextArray = HOLD.all(arguments![before, most], |row| row.required::<Text>(1)).into_iter().collect();
    if held.is_empty() { 0 } else { REMOVE.run(arguments![held]).cast_signed() }
}

/// Removes at most `most` events before this moment, the oldest first, and returns how many. `first` is the least id
/// that an event of that moment can have. The records of removals stay.
pub fn remove_events(before: Timestamp, first: Uuid, most: i64, _unlocked: &Unlocked) -> i64 {
    static REMOVE: Statement = Statement::by_key(
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

/// The ids in the first column.
fn ids(statement: &Statement, arguments: &[Argument]) -> Vec<Uuid> {
    statement.all(arguments, |row| row.required(1))
}

fn count(statement: &Statement, arguments: &[Argument]) -> i64 {
    statement.first(arguments, |row| row.required(1)).unwrap_or(0)
}
