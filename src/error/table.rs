//! What is wrong with a table of an application that a caller names.

use pgrx::PgSqlErrorCode;

use super::parts::{ErrorParts, denied, unknown};
use crate::model::bound_to::BoundTo;
use crate::token::remains;

/// A table cannot be bound, unbound or read.
#[derive(Debug)]
pub enum TableError {
    /// It no longer exists.
    NotFound,
    /// It has no such column.
    NoSuchColumn(String),
    /// The type of its column holds no text.
    NoText { column: String, column_type: String },
    /// It belongs to somebody else.
    NotOwner(String),
    /// It cannot be bound.
    CannotBind { table: String, why: &'static str },
    /// It is already bound; or, where it is given, `to` is bound to this table.
    AlreadyBound { table: String, to: Option<BoundTo> },
    /// It is not bound.
    NotBound(String),
}

impl TableError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NotFound => ErrorParts::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, "source does not exist"),
            Self::NoSuchColumn(column) => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("column \"{}\" of source does not exist", remains::masked(column)),
            ),
            Self::NoText { column, column_type } => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                format!("column \"{column}\" does not hold text"),
            )
            .detail(format!("It is of type {column_type}."))
            .hint(
                "Text, JSON, XML, arrays of these and bytea can be scanned; \
                 for other types make a view that casts.",
            ),
            Self::NotOwner(table) => denied(format!("must be owner of table {table}")),
            Self::CannotBind { table, why } => {
                ErrorParts::new(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, format!("{table} cannot be bound"))
                    .detail(why)
            }
            Self::AlreadyBound { table, to } => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
                match to {
                    Some(to) => format!("{to} are already bound to table {table}"),
                    None => format!("table {table} is already bound"),
                },
            )
            .hint("Use tokenauth.unbind_principals() first."),
            Self::NotBound(table) => unknown(format!("table {table} is not bound")),
        }
    }
}
