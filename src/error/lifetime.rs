//! What is wrong with the time in which a token is to work.

use super::parts::{ErrorParts, absent, invalid};
use crate::pg::types::clock::Timestamp;

/// A token cannot begin or end at that time.
#[derive(Debug)]
pub enum LifetimeError {
    /// Both `expires_in` and `expires_at` are given.
    BothExpiries,
    /// The kind's tokens must expire, and no lifetime was given.
    Required(String),
    /// The kind's tokens must expire, and `infinity` was given.
    MustExpire(String),
    /// The expiry is not in the future.
    ExpiryPassed,
    /// The expiry is beyond what the kind allows, which is this moment.
    ExpiryBeyondMaximum { kind: String, latest: Timestamp },
    /// `not_before` is not before the expiry.
    NeverValid,
    /// The grace is not a length of time.
    Grace,
    /// The grace is longer than the kind allows; it may end at this moment.
    GraceBeyondMaximum { kind: String, latest: Timestamp },
    /// A point in time is out of the range that clients can write.
    BeyondCalendar(&'static str),
    /// A column of a kind is a lifetime with a negative part.
    NegativePart(&'static str),
}

impl LifetimeError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::BothExpiries => invalid("expires_in and expires_at cannot both be given"),
            Self::Required(kind) => {
                absent(format!("tokens of kind \"{kind}\" must expire")).hint("Give expires_in or expires_at.")
            }
            Self::MustExpire(kind) => invalid(format!("tokens of kind \"{kind}\" must expire")),
            Self::ExpiryPassed => invalid("expiry must be in the future"),
            Self::ExpiryBeyondMaximum { kind, latest } => {
                invalid(format!("expiry is later than tokens of kind \"{kind}\" may have"))
                    .detail(format!("It may be {} at the latest.", latest.shown()))
                    .hint("The column max_lifetime of tokenauth.kind says how long they may live.")
            }
            Self::NeverValid => invalid("not_before must be before the expiry"),
            Self::Grace => invalid("grace must not be negative or beyond the year 9999"),
            Self::GraceBeyondMaximum { kind, latest } => {
                invalid(format!("grace is longer than tokens of kind \"{kind}\" may have"))
                    .detail(format!("It may end at {} at the latest.", latest.shown()))
                    .hint("The column max_grace of tokenauth.kind says how long it may be.")
            }
            Self::BeyondCalendar(what) => {
                invalid(format!("{what} is out of range")).detail("Points in time lie within the years 1 to 9999.")
            }
            Self::NegativePart(column) => {
                invalid(format!("{column} is out of range")).detail("No part of a lifetime may be negative.")
            }
        }
    }
}
