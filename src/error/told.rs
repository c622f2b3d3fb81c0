//! The parts of an error message.

use std::borrow::Cow;
use std::fmt;

use pgrx::PgSqlErrorCode;

/// An error in the parts that PostgreSQL reports.
pub struct ErrorParts {
    /// Its SQLSTATE.
    pub state: PgSqlErrorCode,
    /// Its primary line.
    pub message: String,
    /// Facts, in whole sentences.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<Cow<'static, str>>,
}

impl ErrorParts {
    /// With this SQLSTATE and primary line.
    pub fn new(state: PgSqlErrorCode, message: impl Into<String>) -> Self {
        ErrorParts { state, message: message.into(), detail: None, hint: None }
    }

    /// Adds a DETAIL.
    pub fn detail(self, detail: impl fmt::Display) -> Self {
        ErrorParts { detail: Some(detail.to_string()), ..self }
    }

    /// Adds a HINT.
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        ErrorParts { hint: Some(hint.into()), ..self }
    }
}

/// Turns a reason into a whole sentence, as DETAIL requires.
pub fn sentence(why: &impl fmt::Display) -> String {
    let why = why.to_string();
    let mut characters = why.chars();
    match characters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), characters.as_str()),
        None => why,
    }
}
