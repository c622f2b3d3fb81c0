//! Keeps tokens out of the texts of rows that are written by hand, as functions keep them out of their arguments.

use crate::arguments;
use crate::error::ArgumentError;
use crate::pg::types::array::TextArray;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;

/// A column that has texts.
#[derive(Clone, Copy)]
pub enum Column {
    /// One text.
    Text(usize),
    /// A list of texts.
    List(usize),
    /// A document in jsonb.
    Document(usize),
}

/// Checks that no text that is new in a row has a token in it, which every list and event would show, and so would the
/// error of a CHECK.
///
/// # Errors
/// 22023 when one has.
pub fn refuse_tokens(columns: &[(&'static str, Column)], old: Option<&Row>, new: &Row) -> Result<(), ArgumentError> {
    for &(name, column) in columns {
        let (Column::Text(at) | Column::List(at) | Column::Document(at)) = column;
        if old.is_some_and(|old| old.bytes(at) == new.bytes(at)) {
            continue;
        }
        match column {
            Column::Text(_) => arguments::refuse_tokens(name, new.bytes(at).into_iter())?,
            Column::List(_) => {
                if let Some(list) = new.optional::<TextArray>(at) {
                    arguments::refuse_tokens(name, list.stored())?;
                }
            }
            Column::Document(_) => {
                if let Some(document) = new.optional::<Jsonb>(at) {
                    arguments::refuse_tokens(name, [document.as_bytes()].into_iter())?;
                }
            }
        }
    }
    Ok(())
}
