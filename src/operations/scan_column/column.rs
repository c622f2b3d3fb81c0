//! The column that is scanned, and the query that reads it.

use crate::error::TableError;
use crate::pg::scan::relation::{Table, TextForm, text_form};
use crate::pg::sql::query::Query;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::text::Text;

/// Column of the query's result: the table that the row is in.
pub const RELATION: usize = 1;
/// Column: the row.
pub const CTID: usize = 2;
/// Column: the value that is scanned.
pub const TEXT: usize = 3;

/// A column that holds text.
pub struct Column {
    /// How it is read.
    pub form: TextForm,
    table: Table,
    /// Name of the table with its schema, quoted.
    qualified: Text,
    /// Name of the column, quoted.
    name: Text,
    /// Whether rows have a `tableoid` and `ctid` of their own that the caller may read: a privilege on the column alone
    /// does not suffice.
    is_placed: bool,
}

impl Column {
    /// Looks up the column.
    ///
    /// # Errors
    /// 42P01 and 42703 when table or column do not exist, 42804 when the column's type holds no text.
    pub fn find(table: Table, name: &Text) -> Result<Self, TableError> {
        static TABLE: Statement = Statement::new(
            "SELECT format('%I.%I', n.nspname, c.relname),
                    c.relkind NOT IN ('v', 'f')
                    AND coalesce((SELECT bool_and(has_column_privilege(c.oid, a.attnum, 'SELECT')) FROM pg_attribute a
                                   WHERE a.attrelid = c.oid AND a.attname IN ('ctid', 'tableoid')), false)
               FROM pg_class c
               JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.oid = $1",
        );
        static COLUMN: Statement = Statement::new(
            "SELECT quote_ident(attname), atttypid, format_type(atttypid, atttypmod)
               FROM pg_attribute
              WHERE attrelid = $1 AND attname = $2 AND attnum > 0 AND NOT attisdropped",
        );
        let (qualified, is_placed) = TABLE
            .first(arguments![table.oid()], |row| (row.required(1), row.required(2)))
            .ok_or(TableError::NotFound)?;
        let (quoted, column_type, type_name) = COLUMN
            .first(arguments![table.oid(), name.clone()], |row| {
                (row.required(1), row.required(2), row.required::<Text>(3))
            })
            .ok_or_else(|| TableError::NoSuchColumn(name.shown()))?;
        let form = text_form(column_type)
            .ok_or_else(|| TableError::NoText { column: name.shown(), column_type: type_name.shown() })?;
        Ok(Column { form, table, qualified, name: quoted, is_placed })
    }

    /// The name of the table, for people.
    pub fn table_name(&self) -> String {
        self.qualified.shown()
    }

    /// The query that reads the column, as the current user.
    pub fn query(&self) -> Query {
        let place = match self.is_placed {
            true => "source.tableoid, source.ctid".to_owned(),
            false => format!("{}::oid, NULL::tid", self.table.oid().to_u32()),
        };
        let cast: &[u8] = match self.form {
            TextForm::Cast => b"::text",
            TextForm::Bytes => b"",
        };
        let (name, qualified) = (self.name.as_bytes(), self.qualified.as_bytes());
        let sql =
            [b"SELECT ", place.as_bytes(), b", source.", name, cast, b" FROM ", qualified, b" AS source"].concat();
        Query::prepare_once(&sql, &[])
    }
}
