//! Writes changes by constant SQL, as the owner of our tables.

use pgrx::Uuid;

use super::{Affected, Changes, How, Tally};
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::catalog::death_notice;
use crate::catalog::event::{self, Event};
use crate::catalog::principal::past_of;
use crate::catalog::token::life::{is_alive, of_kind};
use crate::catalog::{erased, member, principal};
use crate::error::{Error, PrincipalError};
use crate::model::bound_to::{BoundTo, Subject};
use crate::pg::report::progress;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::transaction::open_writers;
use crate::pg::transaction::xact;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;
use crate::settings;

/// The reason recorded for the death of a gone principal's tokens.
const GONE: &str = "owner dropped";

/// What the principal `p` becomes by `$row`, of the fields that arguments 1 to 5 select. A tombstone starts afresh. A
/// principal that becomes inactive begins an epoch, so its revocable tokens are dead; one that becomes active loses the
/// reason for having been inactive.
macro_rules! becomes {
    ($row:literal) => {
        concat!(
            "active = CASE WHEN $1 THEN ",
            $row,
            ".active ELSE p.active OR p.dropped_at IS NOT NULL END,
             permissions = CASE WHEN $2 THEN ",
            $row,
            ".permissions ELSE p.permissions END,
             data_scopes = CASE WHEN $3 THEN ",
            $row,
            ".data_scopes ELSE p.data_scopes END,
             display_name = CASE WHEN $4 THEN ",
            $row,
            ".display_name ELSE p.display_name END,
             state_reason = CASE WHEN $5 THEN ",
            $row,
            ".state_reason
                                 WHEN $1 AND ",
            $row,
            ".active THEN NULL
                                 ELSE p.state_reason END,
             epoch = p.epoch + ($1 AND p.active AND NOT ",
            $row,
            ".active)::integer,
             revocable_dead_before_epoch = CASE WHEN $1 AND p.active AND NOT ",
            $row,
            ".active THEN p.epoch + 1
                                                ELSE p.revocable_dead_before_epoch END,
             created_at = CASE WHEN p.dropped_at IS NULL THEN p.created_at ELSE now() END,
             dropped_at = NULL"
        )
    };
}

/// Locks principals that are gone, in the order of their keys. Answers with one row, since all of them would be held in
/// memory.
static LOCK_GONE: Statement = Statement::by_key(
    "WITH locked AS MATERIALIZED (
         SELECT FROM tokenauth.principal p
          WHERE p.principal IN (SELECT principal COLLATE \"C\" FROM tokenauth_gone) AND p.dropped_at IS NULL
          ORDER BY p.principal
            FOR NO KEY UPDATE)
     SELECT count(*) FROM locked",
);

/// What a tombstone is.
macro_rules! tombstone {
    () => {
        "active = false, permissions = '{}', data_scopes = '{}', state_reason = NULL, display_name = NULL,
         dropped_at = clock_timestamp(), epoch = p.epoch + 1,
         all_dead_before_epoch = p.epoch + 1, revocable_dead_before_epoch = p.epoch + 1
          WHERE p.dropped_at IS NULL"
    };
}

impl Changes {
    /// Makes the changes as the owner of our tables, whoever the current user is, and records them as one event.
    ///
    /// # Errors
    /// 22023 for a new principal with a token in its id; 42704 for a membership of or in an unknown principal; 55000
    /// for the id of a principal that was erased; 58030 when no id for the event can be generated.
    pub fn apply(self, how: How, source: &Text) -> Result<Tally, Error> {
        let caller = Caller::of_trigger();
        let actor = Actor::behind(caller)?;
        let _owner = caller.act_as_owner();
        if !matches!(how, How::Written) {
            progress::writing(self.put.len(), &self.to.to_string());
        }
        let one = match (&self.affected, how) {
            (Affected::Nobody, How::Written) => return Ok(Tally::default()),
            (Affected::One(subject), How::Written) => Some((subject, self.described(subject))),
            _ => None,
        };
        let outcome = match &self.to {
            BoundTo::Principals(_) => self.write_principals(&actor.recorded())?,
            BoundTo::Memberships => self.write_members(source)?,
        };
        if outcome.total() > 0 {
            xact::mark_narrowing();
        }
        match one {
            Some((subject, before)) => self.record_one(subject, before, &actor)?,
            None => outcome.record(&self.to, how, source, &actor)?,
        }
        Ok(outcome)
    }

    /// # Errors
    /// 22023 and 55000 as for [`apply`](Self::apply).
    fn write_principals(&self, by: &Text) -> Result<Tally, Error> {
        let outcome = self.write(by);
        self.refuse_tokens(outcome.created)?;
        // Asked afterwards: whoever erases one of them from now on waits for its row.
        let erased = if self.put.is_empty() { None } else { erased::id_among(&self.put) };
        erased.map_or(Ok(outcome), |id| Err(PrincipalError::IdErased(id.shown()).into()))
    }

    fn write(&self, by: &Text) -> Tally {
        // Those that go and those that come are one order too. Whose tokens die is told before they do.
        if self.concerns_many() {
            match (self.gone.is_empty(), self.put.is_empty()) {
                (false, true) => {
                    LOCK_GONE.run_over(&[&self.gone], &[]);
                }
                (false, false) => self.hold(),
                (true, false) if settings::notify() => self.hold(),
                (true, _) => {}
            }
        }
        if self.inactive || !self.gone.is_empty() {
            // Whoever dies, if anybody does, dies after this moment.
            open_writers::enter();
            death_notice::many_died(|most| self.tokens_to_die(most));
        }
        let dropped = self.write_tombstones(by);
        let (mut created, mut changed) = (0, 0);
        if !self.put.is_empty() {
            // One that exists is the most frequent case.
            changed = if self.concerns_many() { 0 } else { self.update() };
            if changed == 0 {
                (created, changed) = self.put_all();
            }
            // Also where all are new: one may have been put, with tokens, by another session a moment ago.
            let died = self.inactive && created + changed > 0 && self.record_deaths(by) > 0;
            if died || self.deactivated && changed > 0 {
                xact::mark_death();
            }
        }
        Tally { created, changed, dropped }
    }

    /// At most `most` tokens that these changes will kill. Their owners are locked, so no other is issued.
    pub fn tokens_to_die(&self, most: i64) -> Vec<Uuid> {
        static OF_GONE: Statement = Statement::by_key(concat!(
            "SELECT t.id
               FROM tokenauth.principal p
               JOIN tokenauth.token t ON t.owner = p.principal",
            of_kind!(),
            " WHERE p.principal IN (SELECT principal COLLATE \"C\" FROM tokenauth_gone) AND ",
            is_alive!(),
            " LIMIT $1",
        ));
        static LOCK_INACTIVE: Statement = Statement::by_key(
            "WITH locked AS MATERIALIZED (
                 SELECT FROM tokenauth.principal p
                  WHERE p.principal IN (SELECT principal COLLATE \"C\" FROM tokenauth_put WHERE NOT active) AND p.active
                  ORDER BY p.principal
                    FOR NO KEY UPDATE)
             SELECT count(*) FROM locked",
        );
        static OF_INACTIVE: Statement = Statement::by_key(concat!(
            "SELECT t.id
               FROM tokenauth.principal p
               JOIN tokenauth.token t ON t.owner = p.principal",
            of_kind!(),
            " WHERE p.principal IN (SELECT principal COLLATE \"C\" FROM tokenauth_put WHERE NOT active)
                AND p.active AND t.dies_with_owner AND ",
            is_alive!(),
            " LIMIT $1",
        ));
        let mut tokens_to_die = Vec::new();
        for (lock, find, owners) in [(&LOCK_GONE, &OF_GONE, &self.gone), (&LOCK_INACTIVE, &OF_INACTIVE, &self.put)] {
            if !owners.is_empty() {
                lock.run_over(&[owners], &[]);
                tokens_to_die.extend(find.all_over(owners, arguments![most], |row| row.required::<Uuid>(1)));
            }
        }
        tokens_to_die
    }

    /// Turns every principal that is gone into a tombstone, and removes its memberships.
    fn write_tombstones(&self, by: &Text) -> u64 {
        // Not an UPDATE, which would lock them in the order of its plan. None is absent, unless it was purged just now.
        static WRITE_TOMBSTONES: Statement = Statement::by_key(concat!(
            "INSERT INTO tokenauth.principal AS p (principal, active, dropped_at)
             SELECT p.principal, false, clock_timestamp()
               FROM (SELECT DISTINCT principal COLLATE \"C\" AS principal FROM tokenauth_gone) g
               JOIN tokenauth.principal p ON p.principal = g.principal
              WHERE p.dropped_at IS NULL
              ORDER BY p.principal
             ON CONFLICT (principal) DO UPDATE SET ",
            tombstone!(),
        ));
        // Many are locked already, in their order. For each row that ON CONFLICT updates, PostgreSQL keeps some bytes
        // until the statement ends.
        static WRITE_LOCKED: Statement = Statement::by_key(concat!(
            "UPDATE tokenauth.principal p SET ",
            tombstone!(),
            " AND p.principal IN (SELECT principal COLLATE \"C\" FROM tokenauth_gone)",
        ));
        static RECORD: Statement = Statement::by_key(
            "INSERT INTO tokenauth.mass_death (owner, epoch, at, by, reason, covers)
             SELECT p.principal, p.epoch, clock_timestamp(), $1, $2, 'all'
               FROM tokenauth_gone g
               JOIN tokenauth.principal p ON p.principal = g.principal COLLATE \"C\"
              WHERE p.dropped_at IS NOT NULL AND p.all_dead_before_epoch = p.epoch
                AND EXISTS (SELECT FROM tokenauth.token t WHERE t.owner = p.principal AND t.owner_epoch < p.epoch)
             ON CONFLICT DO NOTHING",
        );
        // Only after they are buried: then nobody can add another.
        static LEAVE: Statement = Statement::by_key(
            "WITH theirs AS MATERIALIZED (
                 SELECT m.org, m.member
                   FROM tokenauth_gone g JOIN tokenauth.member m ON m.member = g.principal COLLATE \"C\"
                 UNION
                 SELECT m.org, m.member
                   FROM tokenauth_gone g JOIN tokenauth.member m ON m.org = g.principal COLLATE \"C\"),
             held AS MATERIALIZED (
                 SELECT m.org, m.member
                   FROM theirs t JOIN tokenauth.member m ON m.org = t.org AND m.member = t.member
                  ORDER BY m.org, m.member
                    FOR UPDATE OF m)
             DELETE FROM tokenauth.member m USING held h WHERE m.org = h.org AND m.member = h.member",
        );
        if self.gone.is_empty() {
            return 0;
        }
        let tombstones = if self.concerns_many() {
            WRITE_LOCKED.run_over(&[&self.gone], &[])
        } else {
            WRITE_TOMBSTONES.run_over(&[&self.gone], &[])
        };
        if tombstones > 0 {
            xact::mark_death();
            RECORD.run_over(&[&self.gone], arguments![by.clone(), GONE]);
            LEAVE.run_over(&[&self.gone], &[]);
        }
        tombstones
    }

    /// Changes the only principal, if it exists and differs, and returns how many that were.
    fn update(&self) -> u64 {
        static UPDATE: Statement = Statement::by_key(concat!(
            "UPDATE tokenauth.principal p SET ",
            becomes!("c"),
            " FROM (SELECT * FROM tokenauth_put ORDER BY place DESC LIMIT 1) c
              WHERE p.principal = c.principal COLLATE \"C\" AND ",
            differs!("c"),
        ));
        UPDATE.run_over(&[&self.put], &self.supplied.arguments())
    }

    /// Creates principals that are absent, changes those that differ, and returns how many of each.
    ///
    /// One pass in key order for both: to change what exists first and create the rest afterwards would be two orders,
    /// in which two sessions could wait for each other. One that another session is just creating is waited for, and
    /// then changed.
    fn put_all(&self) -> (u64, u64) {
        static PUT: Statement = Statement::by_key(concat!(
            "WITH wanted AS MATERIALIZED (
                 SELECT c.principal COLLATE \"C\" AS principal, c.active, c.permissions, c.data_scopes, c.display_name,
                        c.state_reason, p.principal IS NULL AS is_absent, past.epoch, past.all_dead, past.revocable_dead
                   FROM (SELECT DISTINCT ON (principal COLLATE \"C\") * FROM tokenauth_put
                          ORDER BY principal COLLATE \"C\", place DESC) c
                   LEFT JOIN tokenauth.principal p ON p.principal = c.principal COLLATE \"C\"
                  CROSS JOIN ",
            past_of!("c.principal COLLATE \"C\"", "p.principal IS NULL"),
            "     WHERE p.principal IS NULL OR ",
            differs!("c"),
            "),
             written AS (
                 INSERT INTO tokenauth.principal AS p
                        (principal, active, permissions, data_scopes, display_name, state_reason,
                         epoch, all_dead_before_epoch, revocable_dead_before_epoch)
                 SELECT principal, coalesce(active, true), coalesce(permissions, '{}'), coalesce(data_scopes, '{}'),
                        display_name, state_reason, epoch, all_dead, revocable_dead
                   FROM wanted
                  ORDER BY principal
                 ON CONFLICT (principal) DO UPDATE SET ",
            becomes!("excluded"),
            "     WHERE ",
            differs!("excluded"),
            "    RETURNING 1)
             SELECT (SELECT count(*) FROM wanted WHERE is_absent), (SELECT count(*) FROM written)",
        ));
        let counted = |row: &Row| [1, 2].map(|column| row.required::<i64>(column).cast_unsigned());
        let [absent, written] = PUT.first_over(&self.put, &self.supplied.arguments(), counted).unwrap_or_default();
        let created = absent.min(written);
        (created, written - created)
    }

    /// Records when, by whom and why tokens died. Their owners are inactive and locked by then, so no token can appear
    /// that this does not see. An owner without tokens needs no record.
    fn record_deaths(&self, by: &Text) -> u64 {
        static RECORD: Statement = Statement::by_key(
            "WITH owner AS MATERIALIZED (
                 -- Most users have no token: one look at the index of tokens settles it.
                 SELECT c.principal FROM tokenauth_put c
                  WHERE NOT c.active
                    AND EXISTS (SELECT FROM tokenauth.token t WHERE t.owner = c.principal COLLATE \"C\"))
             INSERT INTO tokenauth.mass_death (owner, epoch, at, by, reason, covers)
             SELECT p.principal, p.epoch, clock_timestamp(), $1, p.state_reason, 'revocable'
               FROM owner o
               JOIN tokenauth.principal p ON p.principal = o.principal COLLATE \"C\"
              WHERE NOT p.active AND p.revocable_dead_before_epoch = p.epoch
                AND EXISTS (SELECT FROM tokenauth.token t WHERE t.owner = p.principal AND t.owner_epoch < p.epoch)
             ON CONFLICT DO NOTHING",
        );
        RECORD.run_over(&[&self.put], arguments![by.clone()])
    }

    /// The subject as events show it, if it exists: a membership, or a principal with any memberships that go too.
    fn described(&self, Subject { principal, org }: &Subject) -> Option<Jsonb> {
        match org {
            Some(org) => member::described(org, principal),
            None => principal::find(principal.as_bytes(), &LatestSnapshot::take())
                .filter(|found| !found.state.dropped)
                .and_then(|_| {
                    if self.gone.is_empty() {
                        principal::described(principal)
                    } else {
                        member::described_with(principal)
                    }
                }),
        }
    }

    fn record_one(&self, subject: &Subject, before: Option<Jsonb>, actor: &Actor) -> Result<(), Error> {
        let after = self.described(subject);
        let event = match (&before, &after, &self.to) {
            (None, None, _) => return Ok(()),
            (Some(before), Some(after), _) if before == after => return Ok(()),
            (None, Some(_), BoundTo::Principals(_)) => "principal.created",
            (Some(_), None, BoundTo::Principals(_)) => "principal.dropped",
            (Some(_), Some(_), BoundTo::Principals(_)) => "principal.changed",
            (None, Some(_), BoundTo::Memberships) => "member.added",
            (Some(_), None, BoundTo::Memberships) => "member.removed",
            (Some(_), Some(_), BoundTo::Memberships) => "member.changed",
        };
        event::of_principal(event, subject.org.as_ref().unwrap_or(&subject.principal), actor, before, after)
    }
}

impl Tally {
    fn record(self, to: &BoundTo, how: How, source: &Text, actor: &Actor) -> Result<(), Error> {
        static DESCRIBE: Statement =
            Statement::new("SELECT jsonb_build_object('source', $1, 'created', $2, 'changed', $3, 'dropped', $4)");
        let event = match (how, to) {
            (How::Written, _) if self.total() == 0 => return Ok(()),
            (How::Written, BoundTo::Principals(_)) => "principals.changed",
            (How::Bound, BoundTo::Principals(_)) => "principals.bound",
            (How::Synced, BoundTo::Principals(_)) => "principals.synced",
            (How::Written, BoundTo::Memberships) => "members.changed",
            (How::Bound, BoundTo::Memberships) => "members.bound",
            (How::Synced, BoundTo::Memberships) => "members.synced",
        };
        let [created, changed, dropped] =
            [self.created, self.changed, self.dropped].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        Event {
            event,
            after: DESCRIBE.first(arguments![source.clone(), created, changed, dropped], |row| row.required(1)),
            ..Event::default()
        }
        .record(actor)
    }
}

/// Records that a table is no longer bound.
///
/// # Errors
/// 58030 when no id for the event can be generated.
pub fn record_unbound(source: &Text, event: &'static str, actor: &Actor) -> Result<(), Error> {
    static DESCRIBE: Statement = Statement::new("SELECT jsonb_build_object('source', $1)");
    let _owner = actor.caller().act_as_owner();
    Event { event, after: DESCRIBE.first(&[Argument::of(source.clone())], |row| row.required(1)), ..Event::default() }
        .record(actor)
}
