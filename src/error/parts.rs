//! The parts of an error message, by its SQLSTATE: each table of messages is written with these.

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

/// `22004`: what must be given is NULL.
pub fn absent(message: impl Into<String>) -> ErrorParts {
    ErrorParts::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, message)
}

/// `22023`: a value is not one that can be given.
pub fn invalid(message: impl Into<String>) -> ErrorParts {
    ErrorParts::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

/// `42704`: nothing has this name.
pub fn unknown(message: impl Into<String>) -> ErrorParts {
    ErrorParts::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
}

/// `42501`: whoever asks may not.
pub fn denied(message: impl Into<String>) -> ErrorParts {
    ErrorParts::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
}

/// `55000`: an object, or the server, is not in a state for it.
pub fn unready(message: impl Into<String>) -> ErrorParts {
    ErrorParts::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
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
