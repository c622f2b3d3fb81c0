//! Epochs of principals, by which the mass deaths of their tokens are known: in the row, by which verification judges,
//! and in `tokenauth.mass_death`, which outlasts the row. What has died stays dead, whoever removes the row, or writes
//! it, by hand.

use super::column;
use crate::catalog::mass_death;
use crate::model::principal_name::PrincipalName;
use crate::pg::scan::kept;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// The epoch of `$owner` after this one of its row, after the last that is remembered, and after the last in which a
/// token of its was issued, should the row have been deleted and written again by hand. The index has that of a token
/// at the end of each of four ranges.
macro_rules! next_epoch {
    ($owner:literal, $epoch:literal) => {
        concat!(
            "(SELECT 1 + greatest(",
            $epoch,
            ", max(m.epoch), (
                  SELECT max(last.owner_epoch)
                    FROM (VALUES (false, false), (false, true), (true, false), (true, true))
                             range (crowded, dies_with_owner)
                   CROSS JOIN LATERAL (
                         SELECT t.owner_epoch
                           FROM tokenauth.token t
                          WHERE t.owner = ",
            $owner,
            "               AND t.crowded = range.crowded AND t.dies_with_owner = range.dies_with_owner
                          ORDER BY t.owner_epoch DESC
                          LIMIT 1) last))::integer
                FROM tokenauth.mass_death m
               WHERE m.owner = ",
            $owner,
            ")"
        )
    };
}

/// Which tokens of an owner a mass death covers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// All.
    All,
    /// Those that die when the owner is deactivated.
    Revocable,
}

impl Covers {
    fn text(self) -> &'static str {
        match self {
            Covers::All => "all",
            Covers::Revocable => "revocable",
        }
    }
}

/// What a row knows of the mass deaths of its tokens.
#[derive(Clone, Copy)]
pub struct Epochs {
    epoch: i32,
    all_dead_before: i32,
    revocable_dead_before: i32,
}

impl Epochs {
    /// Those of a row.
    pub fn of(row: &Row) -> Self {
        Epochs {
            epoch: row.required(column::EPOCH),
            all_dead_before: row.required(column::ALL_DEAD_BEFORE),
            revocable_dead_before: row.required(column::REVOCABLE_DEAD_BEFORE),
        }
    }

    /// What is remembered of a principal, whether it has a row or not.
    pub fn remembered(name: &Text) -> Self {
        let mass_death::Last { any, of_all } = mass_death::last(name.as_bytes());
        Epochs { epoch: any, all_dead_before: of_all, revocable_dead_before: any }
    }

    /// Those that know of each death of which either knows.
    pub fn with(self, other: Epochs) -> Self {
        Epochs {
            epoch: self.epoch.max(other.epoch),
            all_dead_before: self.all_dead_before.max(other.all_dead_before),
            revocable_dead_before: self.revocable_dead_before.max(other.revocable_dead_before),
        }
    }

    /// Whether others know of a death of which these do not.
    pub fn are_behind(self, other: Epochs) -> bool {
        self.epoch < other.epoch
            || self.all_dead_before < other.all_dead_before
            || self.revocable_dead_before < other.revocable_dead_before
    }

    /// Has the row of a principal have these.
    pub fn write(self, name: &Text) {
        static WRITE: Statement = Statement::by_key(
            "UPDATE tokenauth.principal
                SET epoch = $2, all_dead_before_epoch = $3, revocable_dead_before_epoch = $4
              WHERE principal = $1",
        )
        .repeated();
        let Epochs { epoch, all_dead_before, revocable_dead_before } = self;
        WRITE.run(arguments![name.clone(), epoch, all_dead_before, revocable_dead_before]);
    }

    /// Remembers that all tokens of a principal have died whose row, with these epochs, somebody has removed.
    pub fn remember_removed(self, name: &Text, by: Text) {
        static REMEMBER: Statement = Statement::by_key(concat!(
            "INSERT INTO tokenauth.mass_death (owner, epoch, at, by, reason, covers)
             SELECT $1, ",
            next_epoch!("$1", "$2"),
            ", clock_timestamp(), $3, 'removed by hand', 'all'"
        ))
        .repeated();
        REMEMBER.run(arguments![name.clone(), self.epoch, by]);
    }
}

/// What a new row of a principal is to know of its past, in the columns `epoch`, `all_dead` and `revocable_dead` of
/// `past`: all 0, unless its row was removed by hand. Whoever died with others stays dead, and whatever tokens it has
/// left died with the row: also where nothing could remember that, since triggers were off.
macro_rules! past_of {
    ($principal:expr, $is_absent:expr) => {
        concat!(
            "LATERAL (
                 SELECT greatest(m.last, t.next) AS epoch, greatest(m.last_of_all, t.next) AS all_dead,
                        greatest(m.last, t.next) AS revocable_dead
                   FROM (SELECT coalesce(max(m.epoch), 0)::integer AS last,
                                coalesce(max(m.epoch) FILTER (WHERE m.covers = 'all'), 0)::integer AS last_of_all
                           FROM tokenauth.mass_death m
                          WHERE m.owner = ",
            $principal,
            "               AND ",
            $is_absent,
            ") m
                  CROSS JOIN LATERAL (
                        SELECT CASE WHEN max(t.owner_epoch) >= m.last_of_all
                                    THEN greatest(m.last, max(t.owner_epoch)) + 1 ELSE 0 END AS next
                          FROM tokenauth.token t
                         WHERE t.owner = ",
            $principal,
            "              AND ",
            $is_absent,
            ") t) past"
        )
    };
}
pub(crate) use past_of;

/// Has a row that was written by hand, and is no older than that, begin as one that was put.
pub fn begin_anew(name: &Text) {
    static BEGIN: Statement = Statement::by_key(concat!(
        "UPDATE tokenauth.principal p
            SET epoch = greatest(p.epoch, past.epoch),
                all_dead_before_epoch = greatest(p.all_dead_before_epoch, past.all_dead),
                revocable_dead_before_epoch = greatest(p.revocable_dead_before_epoch, past.revocable_dead)
           FROM ",
        past_of!("$1", "true"),
        " WHERE p.principal = $1 AND past.epoch > 0"
    ))
    .repeated();
    BEGIN.run(arguments![name.clone()]);
}

/// Remembers that all tokens of a principal have died with its former row, of which only the new one knows.
pub fn remember_past(name: &Text) {
    static REMEMBER: Statement = Statement::by_key(
        "INSERT INTO tokenauth.mass_death (owner, epoch, at, by, reason, covers)
         SELECT p.principal, p.all_dead_before_epoch, clock_timestamp(), 'unknown', 'removed by hand', 'all'
           FROM tokenauth.principal p
          WHERE p.principal = $1
            AND EXISTS (SELECT FROM tokenauth.token t
                         WHERE t.owner = p.principal AND t.owner_epoch < p.all_dead_before_epoch)
         ON CONFLICT DO NOTHING",
    )
    .repeated();
    REMEMBER.run(arguments![name.clone()]);
}

/// Remembers that all tokens have died, since somebody has removed the rows of all principals; returns of how many
/// owners.
pub fn remember_all_removed(by: Text) -> u64 {
    static REMEMBER: Statement = Statement::of_all(
        "INSERT INTO tokenauth.mass_death (owner, epoch, at, by, reason, covers)
         SELECT o.owner,
                1 + greatest(o.last, (SELECT max(m.epoch) FROM tokenauth.mass_death m WHERE m.owner = o.owner)),
                clock_timestamp(), $1, 'removed by hand', 'all'
           FROM (SELECT t.owner, max(t.owner_epoch) AS last FROM tokenauth.token t GROUP BY t.owner) o",
    )
    .repeated();
    REMEMBER.run(arguments![by])
}

/// Begins a new epoch of a principal locked with [`Hold::Alone`](super::Hold::Alone): the tokens issued to it before
/// are dead from now on.
///
/// # Errors
/// Raises 09000 when a trigger has kept that from being written.
pub fn begin_epoch(name: &PrincipalName, covers: Covers, by: Text, reason: Option<&Text>) {
    begin_epoch_by_hand(name.text(), covers, by, reason.cloned());
}

/// As [`begin_epoch`], for a principal whose row somebody has written by hand, whatever it is called.
pub fn begin_epoch_by_hand(name: Text, covers: Covers, by: Text, reason: Option<Text>) {
    static BEGIN: Statement = Statement::by_key(concat!(
        "WITH begun AS (
             UPDATE tokenauth.principal p
                SET (epoch, all_dead_before_epoch, revocable_dead_before_epoch) = (
                    SELECT next, CASE WHEN $2 = 'all' THEN next ELSE p.all_dead_before_epoch END, next
                      FROM (SELECT ",
        next_epoch!("$1", "p.epoch"),
        " AS next) n)
              WHERE p.principal = $1
             RETURNING p.principal, p.epoch)
         INSERT INTO tokenauth.mass_death (owner, epoch, at, by, reason, covers)
         SELECT principal, epoch, clock_timestamp(), $3, $4, $2 FROM begun",
    ));
    kept::refuse("principal", BEGIN.run(arguments![name, covers.text(), by, reason]));
}
