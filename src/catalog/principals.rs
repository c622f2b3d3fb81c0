//! Many rows of `tokenauth.principal`, or of `tokenauth.member`, at once, as a bound table changes them.
//!
//! Set operations, each over all rows that a statement of the application has written. What is as it should be is neither
//! written nor locked. Rows are locked in the order of their keys: plans are made for one row and so reach each by its
//! index, in the order in which the rows come.

mod members;
mod write;

pub use write::record_unbound;

use pgrx::pg_sys;

use crate::binding::{BoundTo, Subject, Supplied};
use crate::pg::array::TextArray;
use crate::pg::jsonb::Jsonb;
use crate::pg::row::Row;
use crate::pg::rows::Rows;
use crate::pg::statement::{Statement, arguments, fields};
use crate::pg::text::Text;
use crate::pg::user::ActingAs;
use crate::principal::PrincipalName;

/// A principal or a membership as a row says it ought to be. What the binding does not supply is `None` and stays as it is.
pub struct Put {
    pub active: Option<bool>,
    pub permissions: Option<TextArray>,
    pub data_scopes: Option<Jsonb>,
    pub display_name: Option<Text>,
    pub state_reason: Option<Text>,
}

/// What is to be done, collected row by row.
pub struct Changes {
    to: BoundTo,
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
    One(Subject),
    Many,
}

/// How many rows do not agree with what is stored.
#[derive(Default)]
pub struct Drift {
    /// Rows whose principal or membership does not exist.
    pub absent: i64,
    /// Rows whose principal or membership is otherwise.
    pub different: i64,
    /// Principals or memberships that have no row.
    pub rowless: i64,
}

/// How many principals or memberships were made, changed and dropped.
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
    pub fn new(to: BoundTo, supplied: Supplied) -> Self {
        Changes {
            to,
            supplied,
            put: Rows::new(
                c"tokenauth_put",
                &[
                    (c"principal", pg_sys::TEXTOID),
                    (c"org", pg_sys::TEXTOID),
                    (c"place", pg_sys::INT8OID),
                    (c"active", pg_sys::BOOLOID),
                    (c"permissions", pg_sys::TEXTARRAYOID),
                    (c"data_scopes", pg_sys::JSONBOID),
                    (c"display_name", pg_sys::TEXTOID),
                    (c"state_reason", pg_sys::TEXTOID),
                ],
            ),
            gone: Rows::new(c"tokenauth_gone", &[(c"principal", pg_sys::TEXTOID), (c"org", pg_sys::TEXTOID)]),
            touched: Touched::Nobody,
            inactive: false,
            deactivated: false,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self.touched, Touched::Nobody)
    }

    /// One is as this row says, and was active before as that says, if it is known. Of several rows about the
    /// same subject the last is true.
    pub fn put(&mut self, subject: &Subject, put: Put, was_active: Option<bool>) {
        self.touch(subject);
        let is_inactive = put.active == Some(false);
        self.inactive |= is_inactive;
        self.deactivated |= is_inactive && was_active != Some(false);
        let place = i64::try_from(self.put.len()).unwrap_or(i64::MAX);
        self.put.put(fields![
            subject.principal.text(),
            subject.org.as_ref().map(PrincipalName::text),
            place,
            put.active,
            put.permissions,
            put.data_scopes,
            put.display_name,
            put.state_reason,
        ]);
    }

    /// One has no row any more.
    pub fn gone(&mut self, subject: &Subject) {
        self.touch(subject);
        self.gone.put(fields![subject.principal.text(), subject.org.as_ref().map(PrincipalName::text)]);
    }

    fn touch(&mut self, subject: &Subject) {
        self.touched = match std::mem::replace(&mut self.touched, Touched::Many) {
            Touched::Nobody => Touched::One(subject.clone()),
            Touched::One(one) if one == *subject => Touched::One(one),
            Touched::One(_) | Touched::Many => Touched::Many,
        };
    }

    /// How many rows are put.
    pub fn rows(&self) -> i64 {
        i64::try_from(self.put.len()).unwrap_or(i64::MAX)
    }

    /// Everyone of the type who exists is gone; or every membership.
    pub fn all_gone(&mut self) {
        static PRINCIPALS: Statement = Statement::new(
            "SELECT principal, NULL::text FROM tokenauth.principal
              WHERE principal > $1 || ':' AND principal < $1 || ';' AND dropped_at IS NULL",
        );
        static MEMBERSHIPS: Statement = Statement::new("SELECT member, org FROM tokenauth.member");
        let found = {
            let _owner = ActingAs::owner_of_ours();
            match &self.to {
                BoundTo::Principals(of_type) => PRINCIPALS.all(arguments![of_type.as_str()], named),
                BoundTo::Memberships => MEMBERSHIPS.all(&[], named),
            }
        };
        self.all_of(&found);
    }

    /// As [`all_gone`](Self::all_gone), but for those that are put.
    pub fn others_gone(&mut self) {
        static PRINCIPALS: Statement = Statement::new(
            "SELECT principal, NULL::text FROM tokenauth.principal
              WHERE principal > $1 || ':' AND principal < $1 || ';' AND dropped_at IS NULL
             EXCEPT
             SELECT principal, NULL FROM tokenauth_put",
        );
        static MEMBERSHIPS: Statement =
            Statement::new("SELECT member, org FROM tokenauth.member EXCEPT SELECT principal, org FROM tokenauth_put");
        let found = {
            let _owner = ActingAs::owner_of_ours();
            match &self.to {
                BoundTo::Principals(of_type) => PRINCIPALS.all_over(&self.put, arguments![of_type.as_str()], named),
                BoundTo::Memberships => MEMBERSHIPS.all_over(&self.put, &[], named),
            }
        };
        self.all_of(&found);
    }

    fn all_of(&mut self, found: &[(Text, Option<Text>)]) {
        let parsed = |name: &Text| PrincipalName::parse(name.as_bytes()).ok();
        for (principal, org) in found {
            if let Some(principal) = parsed(principal) {
                self.gone(&Subject { principal, org: org.as_ref().and_then(parsed) });
            }
        }
    }

    /// A principal that several rows claim to be, with the organisation of which it is a member.
    pub fn claimed_twice(&self) -> Option<(Text, Option<Text>)> {
        static FIND: Statement = Statement::new(
            "SELECT principal, org FROM tokenauth_put GROUP BY principal, org HAVING count(*) > 1 LIMIT 1",
        );
        FIND.first_over(&self.put, &[], named)
    }

    /// How what is put differs from what there is.
    pub fn drift(&self) -> Drift {
        let _owner = ActingAs::owner_of_ours();
        match &self.to {
            BoundTo::Principals(of_type) => self.drift_of_principals(of_type),
            BoundTo::Memberships => self.drift_of_members(),
        }
    }

    fn drift_of_principals(&self, principal_type: &str) -> Drift {
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
        let (absent, different) = COMPARE
            .first_over(&self.put, &self.supplied.arguments(), |row| (row.required(1), row.required(2)))
            .unwrap_or_default();
        let rowless =
            ROWLESS.first_over(&self.put, arguments![principal_type], |row| row.required(1)).unwrap_or_default();
        Drift { absent, different, rowless }
    }
}

/// A principal, and the organisation of which it is a member.
fn named(row: &Row) -> (Text, Option<Text>) {
    (row.required(1), row.optional(2))
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
