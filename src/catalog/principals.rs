//! Many rows of `tokenauth.principal` at once, as a bound table changes them.
//!
//! Set operations, each over all rows that a statement of the application has written. A principal that is as it should be
//! is neither written nor locked. Rows are locked in the order of their keys: plans are made for one row and so reach each
//! by its index, in the order in which the rows come.

use pgrx::pg_sys;

use crate::actor::Actor;
use crate::binding::Supplied;
use crate::catalog::event::{self, Event};
use crate::catalog::principal;
use crate::error::Error;
use crate::pg::array::TextArray;
use crate::pg::jsonb::Jsonb;
use crate::pg::rows::Rows;
use crate::pg::snapshot::Latest;
use crate::pg::statement::{Argument, Statement, arguments, fields};
use crate::pg::text::Text;
use crate::pg::user::ActingAs;
use crate::pg::xact;
use crate::principal::PrincipalName;

/// Why the tokens of one that is gone are dead.
const GONE: &str = "owner dropped";

/// A principal as a row says it ought to be. What the binding does not supply is `None` and stays as it is.
pub struct Put {
    pub active: Option<bool>,
    pub permissions: Option<TextArray>,
    pub data_scopes: Option<Jsonb>,
    pub display_name: Option<Text>,
    pub state_reason: Option<Text>,
}

/// What is to be done, collected row by row.
pub struct Changes {
    supplied: Supplied,
    put: Rows,
    gone: Rows,
    touched: Touched,
    /// Whether some row is inactive now.
    inactive: bool,
    /// Whether some row is inactive that was not, or may not have been.
    deactivated: bool,
}

/// Whom changes are about.
enum Touched {
    Nobody,
    One(PrincipalName),
    Many,
}

/// How many rows and principals do not agree.
#[derive(Default)]
pub struct Drift {
    /// Rows whose principal does not exist.
    pub absent: i64,
    /// Rows whose principal is otherwise.
    pub different: i64,
    /// Principals that have no row.
    pub rowless: i64,
}

/// How many principals were made, changed and dropped.
#[derive(Clone, Copy, Default)]
pub struct Outcome {
    pub created: u64,
    pub changed: u64,
    pub dropped: u64,
}

impl Outcome {
    /// All of them.
    pub fn total(self) -> u64 {
        self.created + self.changed + self.dropped
    }
}

impl Changes {
    /// None yet, by a binding that supplies these fields.
    pub fn new(supplied: Supplied) -> Self {
        Changes {
            supplied,
            put: Rows::new(
                c"tokenauth_put",
                &[
                    (c"principal", pg_sys::TEXTOID),
                    (c"place", pg_sys::INT8OID),
                    (c"active", pg_sys::BOOLOID),
                    (c"permissions", pg_sys::TEXTARRAYOID),
                    (c"data_scopes", pg_sys::JSONBOID),
                    (c"display_name", pg_sys::TEXTOID),
                    (c"state_reason", pg_sys::TEXTOID),
                ],
            ),
            gone: Rows::new(c"tokenauth_gone", &[(c"principal", pg_sys::TEXTOID)]),
            touched: Touched::Nobody,
            inactive: false,
            deactivated: false,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self.touched, Touched::Nobody)
    }

    /// One is as this row says, and was active before as that says, if it is known. Of several rows for the same
    /// principal the last is true.
    pub fn put(&mut self, name: &PrincipalName, put: Put, was_active: Option<bool>) {
        self.touch(name);
        let is_inactive = put.active == Some(false);
        self.inactive |= is_inactive;
        self.deactivated |= is_inactive && was_active != Some(false);
        let place = i64::try_from(self.put.len()).unwrap_or(i64::MAX);
        self.put.put(fields![
            name.text(),
            place,
            put.active,
            put.permissions,
            put.data_scopes,
            put.display_name,
            put.state_reason,
        ]);
    }

    /// One has no row any more.
    pub fn gone(&mut self, name: &PrincipalName) {
        self.touch(name);
        self.gone.put(fields![name.text()]);
    }

    fn touch(&mut self, name: &PrincipalName) {
        self.touched = match std::mem::replace(&mut self.touched, Touched::Many) {
            Touched::Nobody => Touched::One(name.clone()),
            Touched::One(one) if one == *name => Touched::One(one),
            Touched::One(_) | Touched::Many => Touched::Many,
        };
    }

    /// How many rows are put.
    pub fn rows(&self) -> i64 {
        i64::try_from(self.put.len()).unwrap_or(i64::MAX)
    }

    /// Everyone of this type who exists is gone.
    pub fn all_gone(&mut self, principal_type: &str) {
        static FIND: Statement = Statement::new(
            "SELECT principal FROM tokenauth.principal
              WHERE principal > $1 || ':' AND principal < $1 || ';' AND dropped_at IS NULL",
        );
        let _owner = ActingAs::owner_of_ours();
        let found = FIND.all(arguments![principal_type], |row| row.required::<Text>(1));
        self.all_of(found);
    }

    /// Everyone of this type who exists and is not put is gone.
    pub fn others_gone(&mut self, principal_type: &str) {
        static FIND: Statement = Statement::new(
            "SELECT principal FROM tokenauth.principal
              WHERE principal > $1 || ':' AND principal < $1 || ';' AND dropped_at IS NULL
             EXCEPT
             SELECT principal FROM tokenauth_put",
        );
        let _owner = ActingAs::owner_of_ours();
        let found = FIND.all_over(&self.put, arguments![principal_type], |row| row.required::<Text>(1));
        self.all_of(found);
    }

    fn all_of(&mut self, found: Vec<Text>) {
        for name in found
            .iter()
            .filter_map(|name| PrincipalName::parse(name.as_bytes()).ok())
        {
            self.gone(&name);
        }
    }

    /// A principal that several rows claim to be.
    pub fn claimed_twice(&self) -> Option<Text> {
        static FIND: Statement =
            Statement::new("SELECT principal FROM tokenauth_put GROUP BY principal HAVING count(*) > 1 LIMIT 1");
        FIND.first_over(&self.put, &[], |row| row.required(1))
    }

    /// How what is put differs from what there is.
    pub fn drift(&self, principal_type: &str) -> Drift {
        static COMPARE: Statement = Statement::new(
            "SELECT count(*) FILTER (WHERE p.principal IS NULL OR p.dropped_at IS NOT NULL),
                    count(*) FILTER (WHERE p.dropped_at IS NULL
                                       AND ($1 AND p.active <> c.active
                                            OR $2 AND p.permissions <> c.permissions
                                            OR $3 AND p.data_scopes <> c.data_scopes
                                            OR $4 AND p.display_name IS DISTINCT FROM c.display_name
                                            OR $5 AND p.state_reason IS DISTINCT FROM c.state_reason))
               FROM tokenauth_put c
               LEFT JOIN tokenauth.principal p ON p.principal = c.principal COLLATE \"C\"",
        );
        static ROWLESS: Statement = Statement::new(
            "SELECT count(*)
               FROM (SELECT principal FROM tokenauth.principal
                      WHERE principal > $1 || ':' AND principal < $1 || ';' AND dropped_at IS NULL
                     EXCEPT
                     SELECT principal FROM tokenauth_put) p",
        );
        let _owner = ActingAs::owner_of_ours();
        let (absent, different) = COMPARE
            .first_over(&self.put, &self.supplied.arguments(), |row| {
                (row.required(1), row.required(2))
            })
            .unwrap_or_default();
        let rowless = ROWLESS
            .first_over(&self.put, arguments![principal_type], |row| row.required(1))
            .unwrap_or_default();
        Drift {
            absent,
            different,
            rowless,
        }
    }

    /// Does it, as the owner of our tables, whoever the current user is, and records it as one event.
    ///
    /// # Errors
    /// 58030 when no identifier for the event can be drawn.
    pub fn apply(self, how: How, source: &Text) -> Result<Outcome, Error> {
        let _owner = ActingAs::owner_of_ours();
        let actor = Actor::Trusted;
        let one = match (&self.touched, how) {
            (Touched::Nobody, How::Written) => return Ok(Outcome::default()),
            (Touched::One(name), How::Written) => Some((name, described(name))),
            _ => None,
        };
        xact::mark_narrowing();
        let outcome = self.write(&actor.recorded());
        match one {
            Some((name, before)) => record_one(name, before, &actor)?,
            None => outcome.record(how, source, &actor)?,
        }
        Ok(outcome)
    }

    fn write(&self, by: &Text) -> Outcome {
        let dropped = self.bury(by);
        let expected = self.put.len();
        let (mut created, mut changed) = (0, 0);
        if expected > 0 {
            changed = self.update();
            if changed < expected {
                created = self.insert();
            }
            // Somebody may have put one by hand at the same moment.
            if created > 0 && changed + created < expected {
                changed += self.update();
            }
            if self.inactive && changed > 0 && (self.record_deaths(by) > 0 || self.deactivated) {
                xact::mark_death();
            }
        }
        Outcome {
            created,
            changed,
            dropped,
        }
    }

    /// Leaves a tombstone of each that is gone.
    fn bury(&self, by: &Text) -> u64 {
        static BURY: Statement = Statement::new(
            "UPDATE tokenauth.principal p
                SET active = false, permissions = '{}', data_scopes = '{}', state_reason = NULL, display_name = NULL,
                    dropped_at = clock_timestamp(), epoch = p.epoch + 1,
                    all_dead_before_epoch = p.epoch + 1, revocable_dead_before_epoch = p.epoch + 1
               FROM (SELECT DISTINCT principal COLLATE \"C\" AS principal FROM tokenauth_gone ORDER BY 1) g
              WHERE p.principal = g.principal AND p.dropped_at IS NULL",
        );
        static RECORD: Statement = Statement::new(
            "INSERT INTO tokenauth.mass_death (owner, epoch, at, by, reason, covers)
             SELECT p.principal, p.epoch, clock_timestamp(), $1, $2, 'all'
               FROM tokenauth_gone g
               JOIN tokenauth.principal p ON p.principal = g.principal COLLATE \"C\"
              WHERE p.dropped_at IS NOT NULL AND p.all_dead_before_epoch = p.epoch
                AND EXISTS (SELECT FROM tokenauth.token t WHERE t.owner = p.principal AND t.owner_epoch < p.epoch)
             ON CONFLICT DO NOTHING",
        );
        if self.gone.is_empty() {
            return 0;
        }
        let buried = BURY.run_over(&self.gone, &[]);
        if buried > 0 {
            xact::mark_death();
            RECORD.run_over(&self.gone, arguments![by.clone(), GONE]);
        }
        buried
    }

    /// Changes those that exist and are otherwise. A tombstone starts anew. Whoever becomes inactive begins an epoch, in
    /// which its revocable tokens are dead; whoever becomes active again loses the reason for having been inactive.
    fn update(&self) -> u64 {
        static UPDATE: Statement = Statement::new(
            "UPDATE tokenauth.principal p
                SET active = CASE WHEN $1 THEN c.active ELSE p.active OR p.dropped_at IS NOT NULL END,
                    permissions = CASE WHEN $2 THEN c.permissions ELSE p.permissions END,
                    data_scopes = CASE WHEN $3 THEN c.data_scopes ELSE p.data_scopes END,
                    display_name = CASE WHEN $4 THEN c.display_name ELSE p.display_name END,
                    state_reason = CASE WHEN $5 THEN c.state_reason
                                        WHEN $1 AND c.active THEN NULL
                                        ELSE p.state_reason END,
                    epoch = p.epoch + ($1 AND p.active AND NOT c.active)::integer,
                    revocable_dead_before_epoch = CASE WHEN $1 AND p.active AND NOT c.active THEN p.epoch + 1
                                                       ELSE p.revocable_dead_before_epoch END,
                    created_at = CASE WHEN p.dropped_at IS NULL THEN p.created_at ELSE now() END,
                    dropped_at = NULL
               FROM (SELECT DISTINCT ON (principal COLLATE \"C\") * FROM tokenauth_put
                      ORDER BY principal COLLATE \"C\", place DESC) c
              WHERE p.principal = c.principal COLLATE \"C\"
                AND (p.dropped_at IS NOT NULL
                     OR $1 AND p.active <> c.active
                     OR $2 AND p.permissions <> c.permissions
                     OR $3 AND p.data_scopes <> c.data_scopes
                     OR $4 AND p.display_name IS DISTINCT FROM c.display_name
                     OR $5 AND p.state_reason IS DISTINCT FROM c.state_reason)",
        );
        UPDATE.run_over(&self.put, &self.supplied.arguments())
    }

    fn insert(&self) -> u64 {
        static INSERT: Statement = Statement::new(
            "INSERT INTO tokenauth.principal (principal, active, permissions, data_scopes, display_name, state_reason)
             SELECT DISTINCT ON (c.principal COLLATE \"C\")
                    c.principal, coalesce(c.active, true), coalesce(c.permissions, '{}'), coalesce(c.data_scopes, '{}'),
                    c.display_name, c.state_reason
               FROM tokenauth_put c
              WHERE NOT EXISTS (SELECT FROM tokenauth.principal p WHERE p.principal = c.principal COLLATE \"C\")
              ORDER BY c.principal COLLATE \"C\", c.place DESC
             ON CONFLICT (principal) DO NOTHING",
        );
        INSERT.run_over(&self.put, &[])
    }

    /// Says when, by whom and why tokens have died, once their owners are inactive and locked: no token can come to light
    /// that this does not see. An owner without tokens needs no such row.
    fn record_deaths(&self, by: &Text) -> u64 {
        static RECORD: Statement = Statement::new(
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
        RECORD.run_over(&self.put, arguments![by.clone()])
    }
}

/// What changes come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A statement has written the bound table.
    Written,
    /// The table is being bound.
    Bound,
    /// `sync_principals`.
    Synced,
}

impl Outcome {
    fn record(self, how: How, source: &Text, actor: &Actor) -> Result<(), Error> {
        static DESCRIBE: Statement =
            Statement::new("SELECT jsonb_build_object('source', $1, 'created', $2, 'changed', $3, 'dropped', $4)");
        let event = match how {
            How::Written if self.total() == 0 => return Ok(()),
            How::Written => "principals.changed",
            How::Bound => "principals.bound",
            How::Synced => "principals.synced",
        };
        let [created, changed, dropped] =
            [self.created, self.changed, self.dropped].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        Event {
            event,
            after: DESCRIBE.first(arguments![source.clone(), created, changed, dropped], |row| {
                row.required(1)
            }),
            ..Event::default()
        }
        .record(actor)
    }
}

/// A principal that exists, as history describes it.
fn described(name: &PrincipalName) -> Option<Jsonb> {
    principal::find(name.as_bytes(), &Latest::take())
        .filter(|found| !found.dropped)
        .and_then(|_| principal::described(name))
}

fn record_one(name: &PrincipalName, before: Option<Jsonb>, actor: &Actor) -> Result<(), Error> {
    let after = described(name);
    let event = match (&before, &after) {
        (None, None) => return Ok(()),
        (Some(before), Some(after)) if before == after => return Ok(()),
        (None, Some(_)) => "principal.created",
        (Some(_), None) => "principal.dropped",
        (Some(_), Some(_)) => "principal.changed",
    };
    event::of_principal(event, name, actor, before, after)
}

/// Records that a table is bound no more.
///
/// # Errors
/// 58030 when no identifier for the event can be drawn.
pub fn record_unbound(source: &Text) -> Result<(), Error> {
    static DESCRIBE: Statement = Statement::new("SELECT jsonb_build_object('source', $1)");
    let _owner = ActingAs::owner_of_ours();
    Event {
        event: "principals.unbound",
        after: DESCRIBE.first(&[Argument::of(source.clone())], |row| row.required(1)),
        ..Event::default()
    }
    .record(&Actor::Trusted)
}
