//! What goes wrong, in words for the person who is to put it right: next to the field, where a field is to blame.
//!
//! The database says what is wrong by SQLSTATE and a sentence for programmers. Neither reaches the page; the DETAIL
//! does, where it names what was typed or the latest date that is allowed.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use deadpool_postgres::PoolError;
use tokio_postgres::error::DbError;

use crate::pages::message;

/// Why a request gets no page.
#[derive(Debug)]
pub enum Failure {
    /// Nobody is signed in.
    NotSignedIn,
    /// There is no such thing, or the person may not see it.
    NotFound,
    Forbidden,
    /// The person can put it right.
    Refused(Problem),
    /// The database cannot be asked now.
    Unavailable,
    /// A fault of the program, whose details only the log gets.
    Broken,
}

/// The part of a form that is to blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// None, or several.
    Whole,
    Name,
    Description,
    Scopes,
    Expires,
    Networks,
    Grace,
}

/// What somebody has to put right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub field: Field,
    pub text: String,
}

impl Problem {
    /// Something that was typed.
    pub fn typed(field: Field, text: &str) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, field, text: text.to_owned() }
    }

    /// The id that the field has in the page.
    pub fn id(&self) -> &'static str {
        match self.field {
            Field::Whole => "main",
            Field::Name => "name",
            Field::Description => "description",
            Field::Scopes => "scopes",
            Field::Expires => "expires",
            Field::Networks => "networks",
            Field::Grace => "grace",
        }
    }

    /// What this SQLSTATE and sentence mean for somebody who filled in a form; `None` if it is not theirs to mend.
    fn from_database(code: &str, message: &str, detail: Option<&str>) -> Option<Self> {
        let says = |word| message.contains(word);
        let invalid = StatusCode::UNPROCESSABLE_ENTITY;
        let (status, field, text) = match code {
            "22004" if says("name") => (invalid, Field::Name, "Give the token a name."),
            "22004" => (invalid, Field::Expires, "Choose when the token expires: these tokens must."),
            "22023" if says("network") => {
                (invalid, Field::Networks, "Write networks such as 203.0.113.0/24, each on a line.")
            }
            "22023" if says("scope") => (invalid, Field::Scopes, "These scopes cannot be granted."),
            "22023" if says("grace") => (invalid, Field::Grace, "The old token may not go on working for that long."),
            "22023" if says("expir") => (invalid, Field::Expires, "The token cannot expire then."),
            "22023" if says("text of a token") => {
                let field = if says("name") { Field::Name } else { Field::Description };
                (invalid, field, "There is a token in this text. Leave it out: every list would show it.")
            }
            "22023" if says("name") => (invalid, Field::Name, "This name is too long."),
            "22023" if says("description") => (invalid, Field::Description, "This description is too long."),
            "22023" => (invalid, Field::Whole, "This cannot be as it was entered."),
            "42501" if says("scopes of a token") => {
                (StatusCode::FORBIDDEN, Field::Scopes, "You can grant only what is held now.")
            }
            "53400" => (
                StatusCode::CONFLICT,
                Field::Whole,
                "There are as many of these tokens as there may be. Revoke one first.",
            ),
            "55000" => (StatusCode::CONFLICT, Field::Whole, state_in_words(message)?),
            _ => return None,
        };
        let detail = match field {
            Field::Networks | Field::Scopes | Field::Grace | Field::Expires => detail.unwrap_or_default(),
            Field::Whole | Field::Name | Field::Description => "",
        };
        Some(Self { status, field, text: format!("{text} {detail}").trim_end().to_owned() })
    }
}

/// Why a token, its kind or its owner is not in a state for something.
fn state_in_words(message: &str) -> Option<&'static str> {
    Some(match message {
        _ if message.contains("expired") => "This token has expired. Delete it and create another.",
        _ if message.contains("revoked") => "This token is revoked. Create another.",
        _ if message.contains("disabled") => "This token is disabled.",
        _ if message.contains("rotated") => "This token was rotated already. Rotate its successor.",
        _ if message.contains("closed") => "No new tokens of this kind are made.",
        _ if message.contains("inactive") => "The account that the token acts for is deactivated.",
        _ if message.contains("revealed") || message.contains("not kept") => "The text of this token was not kept.",
        _ if message.contains("preload") => "This is not counted on this server.",
        // Keys are the operator's concern.
        _ => return None,
    })
}

impl Failure {
    /// A fault of the program.
    pub fn broken(fault: impl Display) -> Self {
        tracing::error!("{fault}");
        Self::Broken
    }

    fn unavailable(fault: impl Display) -> Self {
        tracing::error!("{fault}");
        Self::Unavailable
    }

    fn told(error: &DbError) -> Self {
        let code = error.code().code();
        if let Some(problem) = Problem::from_database(code, error.message(), error.detail()) {
            return Self::Refused(problem);
        }
        match code {
            "42704" => Self::NotFound,
            "42501" => Self::Forbidden,
            // A key that is missing, a timeout, a standby, a server that stops.
            "55000" | "57014" | "25006" | "40001" | "40P01" | "57P01" | "57P02" | "57P03" => {
                Self::unavailable(format_args!("{code} {}", error.message()))
            }
            _ => Self::broken(format_args!("{code} {}", error.message())),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(told) => Self::told(told),
            None if error.is_closed() => Self::unavailable(error),
            None => Self::broken(error),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::unavailable(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::NotSignedIn => return Redirect::to("/sign-in").into_response(),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Not found",
                "There is no such page or token, or it is not yours to see.".into(),
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, "Not allowed", "You may not do this.".into()),
            Self::Refused(problem) => (problem.status, "This cannot be done", problem.text),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "Please try again", "The page cannot be made at the moment.".into())
            }
            Self::Broken => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "It is in the log of the server.".into())
            }
        };
        message::page(status, title, text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Problem};

    #[test]
    fn what_somebody_can_mend_is_told_at_its_field_and_anything_else_is_not() {
        let field = |code, message| Problem::from_database(code, message, None).map(|problem| problem.field);
        assert_eq!(field("22004", "tokens of kind \"pat\" must have a name"), Some(Field::Name));
        assert_eq!(field("22004", "tokens of kind \"scout\" must expire"), Some(Field::Expires));
        assert_eq!(field("22023", "element 1 of networks is not a network"), Some(Field::Networks));
        assert_eq!(field("22023", "scopes is not a list of scopes"), Some(Field::Scopes));
        assert_eq!(field("22023", "description contains the text of a token"), Some(Field::Description));
        assert_eq!(field("22023", "expiry is later than tokens of kind \"pat\" may have"), Some(Field::Expires));
        assert_eq!(field("22023", "grace is longer than tokens of kind \"pat\" may have"), Some(Field::Grace));
        assert_eq!(field("42501", "scopes of a token must be held by its owner"), Some(Field::Scopes));
        assert_eq!(field("55000", "token \"0198\" is expired"), Some(Field::Whole));
        assert_eq!(field("55000", "key \"example\" is not in the key file"), None);
        assert_eq!(field("42501", "permission denied for tokens of kind \"pat\""), None);
        assert_eq!(field("42704", "token \"0198\" does not exist"), None);
    }
}
