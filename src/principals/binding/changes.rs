//! Many rows of `tokenauth.principal` or `tokenauth.member` at once, as a bound table changes them.
//!
//! Each operation works on the set of all rows that a statement of the application has written. Rows that are already
//! right are neither written nor locked. The others are locked in key order, principals before memberships, as
//! `catalog` demands of everything.

/// The condition that the principal `p` is not as `$row` says, of the fields that arguments 1 to 5 select.
macro_rules! differs {
    ($row:literal) => {
        concat!(
            "(p.dropped_at IS NOT NULL
              OR $1 AND p.active <> ",
            $row,
            ".active
              OR $2 AND p.permissions <> ",
            $row,
            ".permissions
              OR $3 AND p.data_scopes <> ",
            $row,
            ".data_scopes
              OR $4 AND p.display_name IS DISTINCT FROM ",
            $row,
            ".display_name
              OR $5 AND p.state_reason IS DISTINCT FROM ",
            $row,
            ".state_reason)"
        )
    };
}

mod hold;
mod members;
mod rowless;
mod write;

pub use rowless::Rowless;
pub use write::record_unbound;

use std::ffi::CStr;

use pgrx::pg_sys;

use super::Supplied;
use crate::error::ArgumentError;
use crate::model::bound_to::{BoundTo, Subject};
use crate::model::principal_name::PrincipalName;
use crate::pg::sql::rows::{Reader, Rows};
use crate::pg::sql::statement::{Argument, Statement, arguments, fields};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::types::array::TextArray;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;
use crate::token::pasted;

/// The wanted state of a principal or a membership. A field not supplied by the binding is `None` and stays as it is.
pub struct WantedState {
    pub active: Option<bool>,
    pub permissions: Option<TextArray>,
    pub data_scopes: Option<Jsonb>,
    pub display_name: Option<Text>,
    pub state_reason: Option<Text>,
}

/// The changes to make, collected row by row.
pub struct Changes {
    to: BoundTo,
    supplied: Supplied,
    put: Rows,
    gone: Rows,
    affected: Affected,
    /// Whether some row is inactive now.
    inactive: bool,
    /// Whether some row is inactive now and was active before, or may have been.
    deactivated: bool,
    /// Whether the id of some row has a token in it.
    names_token: bool,
}

/// The principals or memberships that the changes concern.
enum Affected {
    Nobody,
    One(Subject),
    Many,
}

/// How many rows differ from what is stored.
#[derive(Default)]
pub struct Drift {
    /// Rows whose principal or membership does not exist.
    pub absent: i64,
    /// Rows whose principal or membership has other values.
    pub different: i64,
    /// Principals or memberships without a row.
    pub rowless: i64,
}

/// How many principals or memberships were created, changed and dropped.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub created: u64,
    pub changed: u64,
    pub dropped: u64,
}

impl Tally {
    /// The sum of all three.
    pub fn total(self) -> u64 {
        self.created + self.changed + self.dropped
    }
}

impl Changes {
    /// No changes yet, for a binding that supplies these fields.
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
            gone: subjects(c"tokenauth_gone"),
            affected: Affected::Nobody,
            inactive: false,
            deactivated: false,
            names_token: false,
        }
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        matches!(self.affected, Affected::Nobody)
    }

    /// Adds a row: its subject must become as `put` says; `was_active` is its former activity, if known. Of several
    /// rows about the same subject the last one counts.
    pub fn put(&mut self, subject: &Subject, put: WantedState, was_active: Option<bool>) {
        add_affected(&mut self.affected, subject);
        let is_inactive = put.active == Some(false);
        self.inactive |= is_inactive;
        self.deactivated |= is_inactive && was_active != Some(false);
        self.names_token |= pasted::contains(subject.principal.as_bytes());
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

    /// Checks that no principal was created with a token in its id. One that exists may have been put by a release that
    /// did not look, and must not live for that.
    ///
    /// # Errors
    /// 22023 when one may have been.
    fn refuse_tokens(&self, created: u64) -> Result<(), ArgumentError> {
        if self.names_token && created > 0 { Err(ArgumentError::HoldsToken("id")) } else { Ok(()) }
    }

    /// Adds a subject that no longer has a row.
    pub fn gone(&mut self, subject: &Subject) {
        add_affected(&mut self.affected, subject);
        self.gone.put(fields_of(subject));
    }

    /// How many rows were put.
    pub fn rows(&self) -> i64 {
        i64::try_from(self.put.len()).unwrap_or(i64::MAX)
    }

    /// Marks every existing principal of the type as gone; or every membership.
    pub fn all_gone(&mut self) {
        static PRINCIPALS: Statement = Statement::new(
            "SELECT principal, NULL::text FROM tokenauth.principal
              WHERE principal > $1 || ':' AND principal < $1 || ';' AND dropped_at IS NULL",
        );
        static MEMBERSHIPS: Statement = Statement::new("SELECT member, org FROM tokenauth.member");
        {
            let _owner = ActingAs::owner_of_ours();
            match &self.to {
                BoundTo::Principals(of_type) => PRINCIPALS.add_to(&mut self.gone, &[], arguments![of_type.as_str()]),
                BoundTo::Memberships => MEMBERSHIPS.add_to(&mut self.gone, &[], &[]),
            }
        }
        self.add_gone_to_affected();
    }

    /// As [`all_gone`](Self::all_gone), except for those that were put.
    pub fn others_gone(&mut self) {
        static PRINCIPALS: Statement = Statement::new(
            "SELECT principal, NULL::text FROM tokenauth.principal
              WHERE principal > $1 || ':' AND principal < $1 || ';' AND dropped_at IS NULL
             EXCEPT
             SELECT principal, NULL FROM tokenauth_put",
        );
        static MEMBERSHIPS: Statement =
            Statement::new("SELECT member, org FROM tokenauth.member EXCEPT SELECT principal, org FROM tokenauth_put");
        {
            let _owner = ActingAs::owner_of_ours();
            let (gone, put) = (&mut self.gone, &self.put);
            match &self.to {
                BoundTo::Principals(of_type) => PRINCIPALS.add_to(gone, &[put], arguments![of_type.as_str()]),
                BoundTo::Memberships => MEMBERSHIPS.add_to(gone, &[put], &[]),
            }
        }
        self.add_gone_to_affected();
    }

    /// Marks those of `names` as gone that were not put.
    pub fn rest_gone(&mut self, names: &Rows) {
        static REST: Statement = Statement::new(
            "SELECT principal, org FROM tokenauth_names EXCEPT SELECT principal, org FROM tokenauth_put",
        );
        REST.add_to(&mut self.gone, &[names, &self.put], &[]);
        self.add_gone_to_affected();
    }

    /// Takes those into account that were added to `gone` all at once.
    fn add_gone_to_affected(&mut self) {
        let mut reader = Reader::new(&self.gone);
        while let Some(row) = reader.next() {
            let parsed = |column| PrincipalName::parse(row.bytes(column)?).ok();
            if let Some(principal) = parsed(1) {
                add_affected(&mut self.affected, &Subject { principal, org: parsed(2) });
            }
            // More of them tell nothing more.
            if matches!(self.affected, Affected::Many) {
                break;
            }
        }
    }

    /// Whether some principal or membership is put by one row and gone by another.
    pub fn is_contradictory(&self) -> bool {
        static FIND: Statement = Statement::new(
            "SELECT principal COLLATE \"C\", org COLLATE \"C\" FROM tokenauth_put
             INTERSECT
             SELECT principal, org FROM tokenauth_gone
              LIMIT 1",
        );
        if self.gone.is_empty() || self.put.is_empty() {
            return false;
        }
        let mut both = subjects(c"tokenauth_both");
        FIND.add_to(&mut both, &[&self.put, &self.gone], &[]);
        !both.is_empty()
    }

    /// A principal that several rows claim to be, with the organisation of a membership.
    pub fn claimed_twice(&self) -> Option<(Text, Option<Text>)> {
        static FIND: Statement = Statement::by_key(
            "SELECT principal, org FROM tokenauth_put GROUP BY principal, org HAVING count(*) > 1 LIMIT 1",
        );
        FIND.first_over(&self.put, &[], named)
    }

    /// How the rows that were put differ from what is stored.
    pub fn drift(&self) -> Drift {
        let _owner = ActingAs::owner_of_ours();
        match &self.to {
            BoundTo::Principals(of_type) => self.drift_of_principals(of_type),
            BoundTo::Memberships => self.drift_of_members(),
        }
    }

    fn drift_of_principals(&self, principal_type: &str) -> Drift {
        static COMPARE: Statement = Statement::by_key(
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
        static ROWLESS: Statement = Statement::by_key(
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

/// No subjects yet: principals, with the organisations of memberships.
pub fn subjects(name: &'static CStr) -> Rows {
    Rows::new(name, &[(c"principal", pg_sys::TEXTOID), (c"org", pg_sys::TEXTOID)])
}

/// A subject as a row of [`subjects`].
pub fn fields_of(subject: &Subject) -> [Argument; 2] {
    fields![subject.principal.text(), subject.org.as_ref().map(PrincipalName::text)]
}

fn add_affected(affected: &mut Affected, subject: &Subject) {
    *affected = match std::mem::replace(affected, Affected::Many) {
        Affected::Nobody => Affected::One(subject.clone()),
        Affected::One(one) if one == *subject => Affected::One(one),
        Affected::One(_) | Affected::Many => Affected::Many,
    };
}

/// Reads a principal, and the organisation of a membership.
fn named(row: &Row) -> (Text, Option<Text>) {
    (row.required(1), row.optional(2))
}

/// Where changes come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A statement that wrote the bound table.
    Written,
    /// The binding of the table.
    Bound,
    /// `sync_principals`.
    Synced,
}
