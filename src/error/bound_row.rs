//! The place in a binding at which an error occurred.

use std::fmt;

use super::parts::ErrorParts;
use crate::model::bound_to::BoundTo;

/// A row of a bound table, as errors name it.
#[derive(Debug)]
pub struct BoundRow {
    /// The table, quoted.
    pub table: String,
    /// What it is bound to.
    pub to: BoundTo,
    /// The principal or the membership, or the number of the row; `None` before any row is read.
    pub row: Option<String>,
}

impl BoundRow {
    /// An error that occurred here: its DETAIL ends with the place.
    pub(super) fn added_to(&self, error: ErrorParts) -> ErrorParts {
        let place = match &error.detail {
            Some(detail) => format!("{detail}\n{self}"),
            None => self.to_string(),
        };
        error.detail(place)
    }
}

impl fmt::Display for BoundRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "In the binding of table {} to {}", self.table, self.to)?;
        match &self.row {
            Some(row) => write!(f, ", row {row}."),
            None => f.write_str("."),
        }
    }
}
