//! Rows of `tokenauth.binding`: which tables were bound and not unbound since. `doctor()` compares them with the
//! triggers, which are what decides.

use crate::model::bound_to::BoundTo;
use crate::pg::scan::relation::Table;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::types::text::Text;

/// A table that was bound.
pub struct RecordedBinding {
    /// The type of principals, or `''` for memberships.
    pub of_type: Text,
    /// The name that the table had, quoted.
    pub source: Text,
    /// The table that has this name today.
    pub table: Option<Table>,
}

impl RecordedBinding {
    /// Whether the table was bound to this.
    pub fn is_to(&self, to: &BoundTo) -> bool {
        self.of_type.as_bytes() == to.type_argument().as_bytes()
    }
}

/// Everything recorded, by name of the table.
pub fn recorded() -> Vec<RecordedBinding> {
    // Names are compared by their parts: how they are quoted depends on a setting.
    static ALL: Statement = Statement::new(
        "SELECT b.type, b.source, c.oid::regclass
           FROM tokenauth.binding b
          CROSS JOIN LATERAL parse_ident(b.source) AS name
           LEFT JOIN pg_namespace n ON n.nspname = name[1]::name
           LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = name[2]::name
          ORDER BY b.source, b.type",
    );
    let _owner = ActingAs::owner_of_ours();
    ALL.all(&[], |row| RecordedBinding { of_type: row.required(1), source: row.required(2), table: row.optional(3) })
}

/// Records that a table is bound to this, and no other.
pub fn record(source: &Text, to: &BoundTo) {
    static RECORD: Statement = Statement::new(
        "INSERT INTO tokenauth.binding (type, source, what) VALUES ($1, $2, $3)
         ON CONFLICT (type) DO UPDATE SET source = excluded.source WHERE binding.source <> excluded.source",
    );
    let _owner = ActingAs::owner_of_ours();
    RECORD.run(arguments![to.type_argument(), source.clone(), to.noun()]);
}

/// Forgets that a table is bound to this type.
pub fn forget(of_type: &Text) {
    static FORGET: Statement = Statement::new("DELETE FROM tokenauth.binding WHERE type = $1");
    let _owner = ActingAs::owner_of_ours();
    FORGET.run(arguments![of_type.clone()]);
}
