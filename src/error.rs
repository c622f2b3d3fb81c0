//! What can go wrong, by area: each file of this room has one enum and, beside it, the table of how PostgreSQL tells it
//! (SQLSTATE, message, DETAIL, HINT). [`Error`] sums them.
//!
//! Messages follow the server's style guide (PostgreSQL manual, "Error Message Style Guide"). None carries a secret, a
//! digest or a token text; of their input they repeat only names, and what bound expressions raise, with tokens masked.

#![forbid(unsafe_code)]

mod access;
mod argument;
mod binding;
mod bound_row;
mod derive;
mod digest;
mod fence;
pub mod finding;
mod grant;
mod identity;
mod import;
mod key;
pub mod key_fault;
mod kind;
mod leak;
mod lifetime;
mod parts;
mod principal;
pub mod refusal;
mod replication;
mod rule;
mod server;
mod table;
mod token;

use std::fmt;

pub use pgrx::pg_sys::panic::{ErrorReport, ErrorReportWithLevel};
use pgrx::prelude::*;

use crate::pg::report::diagnostics;
use crate::pg::types::encoding;
use crate::token::RandomError;
pub use access::AccessError;
pub use argument::ArgumentError;
pub use binding::BindingError;
pub use bound_row::BoundRow;
pub use derive::DeriveError;
pub use digest::DigestError;
pub use fence::FenceError;
pub use grant::GrantError;
pub use identity::IdentityError;
pub use import::ImportError;
pub use key::KeyError;
pub use kind::KindError;
pub use leak::LeakError;
pub use lifetime::LifetimeError;
use parts::ErrorParts;
pub use principal::PrincipalError;
pub use replication::{Follower, Gap, Known, ReplicationError};
pub use rule::RuleError;
pub use server::ServerError;
pub use table::TableError;
pub use token::TokenError;

/// Sums the areas: a variant for each, and the conversions that `?` needs.
macro_rules! areas {
    ($($area:ident($error:ty)),* $(,)?) => {
        /// Every reason for which a function of this extension refuses a call or fails.
        #[derive(Debug)]
        pub enum Error {
            $($area($error),)*
            /// Any of these, at a row of a bound table.
            InBinding { row: BoundRow, why: Box<Error> },
        }

        impl Error {
            /// The error in the parts that PostgreSQL reports.
            fn parts(&self) -> ErrorParts {
                match self {
                    $(Error::$area(error) => error.parts(),)*
                    Error::InBinding { row, why } => row.added_to(why.parts()),
                }
            }
        }

        $(
            impl From<$error> for Error {
                fn from(error: $error) -> Self {
                    Error::$area(error)
                }
            }

            impl From<$error> for ErrorReport {
                fn from(error: $error) -> Self {
                    Error::from(error).into()
                }
            }
        )*
    };
}

areas! {
    Argument(ArgumentError),
    Digest(DigestError),
    Derive(DeriveError),
    Import(ImportError),
    Token(TokenError),
    Kind(KindError),
    Lifetime(LifetimeError),
    Grant(GrantError),
    Principal(PrincipalError),
    Access(AccessError),
    Identity(IdentityError),
    Key(KeyError),
    Table(TableError),
    Binding(BindingError),
    Server(ServerError),
    Rule(RuleError),
    Leak(LeakError),
    Replication(ReplicationError),
    Fence(FenceError),
}

impl Error {
    /// The same error, at this row.
    pub fn in_row(self, row: String) -> Self {
        match self {
            Error::InBinding { row: bound, why } => Error::InBinding { row: BoundRow { row: Some(row), ..bound }, why },
            other => other,
        }
    }

    /// Its primary line and DETAIL in one text, for a list of findings.
    pub fn whole(&self) -> String {
        let ErrorParts { message, detail, .. } = self.parts();
        match detail {
            Some(detail) => format!("{message}: {detail}"),
            None => message,
        }
    }

    /// Writes it to the log, where there is no client to raise it to.
    pub fn log(self) {
        ErrorReport::from(self).report(PgLogLevel::LOG);
        diagnostics::clear_next();
    }

    /// Its HINT.
    pub fn hint(&self) -> String {
        self.parts().hint.unwrap_or_default().into_owned()
    }
}

/// Its primary line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts().message)
    }
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        let ErrorParts { state, message, detail, hint } = error.parts();
        let texts = [Some(&*message), detail.as_deref(), hint.as_deref()];
        if !texts.iter().flatten().all(|text| text.is_ascii()) {
            set_in_encoding(texts);
        }
        let mut report = ErrorReport::new(state, message, "tokenauth");
        if let Some(detail) = detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = hint {
            report = report.set_hint(hint.into_owned());
        }
        report
    }
}

/// Sees to it that an error is told in the encoding of the server, if that is not UTF-8.
#[cold]
fn set_in_encoding(texts: [Option<&str>; 3]) {
    let converted = texts.map(|text| text.and_then(encoding::message));
    if converted.iter().any(Option::is_some) {
        diagnostics::set_next(texts[0].unwrap_or_default(), converted);
    }
}

impl From<RandomError> for Error {
    fn from(_: RandomError) -> Self {
        ServerError::Random.into()
    }
}

/// A table as an SQL literal, for hints that name a call.
pub fn literal(table: &str) -> String {
    format!("'{}'", table.replace('\'', "''"))
}
