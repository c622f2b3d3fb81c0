//! Many rows of `tokenauth.principal` at once, as a bound table changes them.
//!
//! Set operations, each over all rows that a statement of the application has written. A principal that is as it should be
//! is neither written nor locked. Rows are locked in the order of their keys: plans are made for one row and so reach each
//! by its index, in the order in which the rows come.

mod write;

pub use write::record_unbound;

use pgrx::pg_sys;

use crate::binding::Supplied;
use crate::pg::array::TextArray;
use crate::pg::jsonb::Jsonb;
use crate::pg::rows::Rows;
use crate::pg::statement::{Statement, arguments, fields};
use crate::pg::text::Text;
use crate::pg::user::ActingAs;
use crate::principal::PrincipalName;

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
        for name in found.iter().filter_map(|name| PrincipalName::parse(name.as_bytes()).ok()) {
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
            .first_over(&self.put, &self.supplied.arguments(), |row| (row.required(1), row.required(2)))
            .unwrap_or_default();
        let rowless =
            ROWLESS.first_over(&self.put, arguments![principal_type], |row| row.required(1)).unwrap_or_default();
        Drift { absent, different, rowless }
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
