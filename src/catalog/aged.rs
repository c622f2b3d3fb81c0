//! Rows that have outlived their use, removed so many at a time.
//!
//! Nobody is waited for: what others have locked is left for the next time. What refers to a row goes with it or before it.

use pgrx::Uuid;

use crate::event::{PURGED, Unlocked};
use crate::pg::array::TextArray;
use crate::pg::clock::Timestamp;
use crate::pg::statement::{Argument, Statement, arguments};
use crate::pg::text::Text;

/// Removes tokens that had died or expired before this moment, with their uses, at most so many, and answers how many.
pub fn remove_tokens(before: Timestamp, most: i64) -> i64 {
    // Uses are written by verifications, in their transactions: a token whose last ones are still being written stays.
    macro_rules! remove {
        ($dead:literal) => {
            concat!(
                "WITH dead AS MATERIALIZED (SELECT t.id FROM ",
                $dead,
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
                 announced AS (DELETE FROM tokenauth.announced a USING gone WHERE a.token_id = gone.id)
                 SELECT count(*) FROM gone"
            )
        };
    }
    static ALONE: Statement =
        Statement::new(remove!("tokenauth.token t WHERE (t.revoked_at < $1 OR t.expires_at < $1)"));
    static WITH_OTHERS: Statement = Statement::new(remove!(
        "tokenauth.mass_death m
           JOIN tokenauth.token t
             ON t.owner = m.owner AND t.owner_epoch < m.epoch AND (m.covers = 'all' OR t.dies_with_owner)
          WHERE m.at < $1"
    ));
    let removed = count(&ALONE, arguments![before, most]);
    removed + if removed < most { count(&WITH_OTHERS, arguments![before, most - removed]) } else { 0 }
}

/// Wipes sealed texts of tokens that have died with others, at most so many, and answers how many. Whatever kills a token
/// alone wipes its text at once.
pub fn wipe_sealed(most: i64) -> i64 {
    static WIPE: Statement = Statement::new(
        "WITH dead AS MATERIALIZED (
             SELECT t.id
               FROM tokenauth.mass_death m
               JOIN tokenauth.token t
                 ON t.owner = m.owner AND t.owner_epoch < m.epoch AND (m.covers = 'all' OR t.dies_with_owner)
              WHERE t.seal IS NOT NULL
              LIMIT $1
                FOR NO KEY UPDATE OF t SKIP LOCKED),
         wiped AS (
             UPDATE tokenauth.token t SET sealed = NULL, seal = NULL FROM dead WHERE t.id = dead.id RETURNING t.id)
         SELECT count(*) FROM wiped",
    );
    count(&WIPE, arguments![most])
}

/// Removes what was recorded of mass deaths before this moment of which no token is left, at most so many, and answers how
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
    );
    count(&REMOVE, arguments![before, most])
}

/// That neither a token nor a mass death of the principal `p` is left.
macro_rules! nothing_left {
    () => {
        "NOT EXISTS (SELECT FROM tokenauth.token t WHERE t.owner = p.principal)
         AND NOT EXISTS (SELECT FROM tokenauth.mass_death m WHERE m.owner = p.principal)"
    };
}

/// Removes tombstones of before this moment of which nothing is left, at most so many, and answers how many.
pub fn remove_tombstones(before: Timestamp, most: i64) -> i64 {
    // Whoever gets the id next begins at epoch 0: a token or mass death of before would be taken for one of his. Looked for
    // again once the tombstones are held: until then somebody may have brought one back, issued to it and buried it anew.
    static HOLD: Statement = Statement::new(concat!(
        "SELECT p.principal FROM tokenauth.principal p WHERE p.dropped_at < $1 AND ",
        nothing_left!(),
        " LIMIT $2 FOR UPDATE SKIP LOCKED",
    ));
    static REMOVE: Statement = Statement::new(concat!(
        "WITH gone AS (
             DELETE FROM tokenauth.principal p WHERE p.principal = ANY ($1) AND ",
        nothing_left!(),
        " RETURNING p.principal)
         SELECT count(*) FROM gone",
    ));
    let held: TextArray = HOLD.all(arguments![before, most], |row| row.required::<Text>(1)).into_iter().collect();
    if held.is_empty() { 0 } else { count(&REMOVE, arguments![held]) }
}

/// Removes events of before this moment, the oldest first, at most so many, and answers how many. `first` is the least
/// identifier that an event of that moment can have. What is on record of removals stays.
pub fn remove_events(before: Timestamp, first: Uuid, most: i64, _unlocked: &Unlocked) -> i64 {
    static REMOVE: Statement = Statement::new(
        "WITH old AS MATERIALIZED (
             SELECT id FROM tokenauth.event WHERE id < $1 AND at < $2 AND event <> $4 ORDER BY id LIMIT $3),
         gone AS (DELETE FROM tokenauth.event e USING old WHERE e.id = old.id RETURNING e.id)
         SELECT count(*) FROM gone",
    );
    count(&REMOVE, arguments![first, before, most, PURGED])
}

/// Removes what is on record of removals of before this moment. They are not counted: each removal makes one, so that
/// removing them would never come to an end.
pub fn remove_records(before: Timestamp, first: Uuid, _unlocked: &Unlocked) {
    static REMOVE: Statement = Statement::new("DELETE FROM tokenauth.event WHERE id < $1 AND at < $2 AND event = $3");
    REMOVE.run(arguments![first, before, PURGED]);
}

fn count(statement: &Statement, arguments: &[Argument]) -> i64 {
    statement.first(arguments, |row| row.required(1)).unwrap_or(0)
}
