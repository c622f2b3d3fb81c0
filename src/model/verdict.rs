//! The verdict: the outcome of a verification, with its name, HTTP status and code.
//!
//! This is the one table of these. A verdict tells the exact reason, for the application, its logs and its DBA; only
//! the error response decides what a stranger may learn of it.

use std::{error, fmt, str};

/// The outcome of a verification. The variants are in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No token was presented.
    Missing,
    /// Two different tokens were presented.
    Ambiguous,
    /// The text is not a token: wrong length, alphabet or checksum. No table was read.
    Malformed,
    /// There is no such token: the lookup is unknown or the digest differs.
    Unknown,
    /// Revoked for good: by itself, by deletion, by a mass death, or by its owner's deactivation.
    Revoked,
    /// Disabled until somebody enables it again.
    Disabled,
    /// It starts working later.
    NotYetValid,
    /// It has expired.
    Expired,
    /// The owner is inactive; the token will work again when the owner is active.
    OwnerInactive,
    /// The client is outside the token's networks, or its address was not given.
    NetworkDenied,
    /// More requests than the kind allows.
    RateLimited,
    /// Not every required scope is granted.
    InsufficientScope,
    /// The token is accepted.
    Valid,
}

impl Verdict {
    /// Every verdict, in the order of the checks.
    pub const ALL: [Self; 13] = [
        Self::Missing,
        Self::Ambiguous,
        Self::Malformed,
        Self::Unknown,
        Self::Revoked,
        Self::Disabled,
        Self::NotYetValid,
        Self::Expired,
        Self::OwnerInactive,
        Self::NetworkDenied,
        Self::RateLimited,
        Self::InsufficientScope,
        Self::Valid,
    ];

    /// The name in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::OwnerInactive => "owner_inactive",
            Self::NetworkDenied => "network_denied",
            Self::RateLimited => "rate_limited",
            Self::InsufficientScope => "insufficient_scope",
            Self::Valid => "valid",
        }
    }

    /// Whether the token is accepted.
    pub const fn ok(self) -> bool {
        matches!(self, Self::Valid)
    }

    /// The HTTP status to answer with: RFC 6750 section 3.1, and RFC 6585 section 4 for 429.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Ambiguous => 400,
            Self::Missing
            | Self::Malformed
            | Self::Unknown
            | Self::Revoked
            | Self::Disabled
            | Self::NotYetValid
            | Self::Expired => 401,
            Self::OwnerInactive | Self::NetworkDenied | Self::InsufficientScope => 403,
            Self::RateLimited => 429,
            Self::Valid => 200,
        }
    }

    /// The code that a client may see, or `None` for a token that is accepted.
    ///
    /// All 401 verdicts share one, so that somebody who guesses tokens does not learn which ones once existed.
    pub const fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::Ambiguous => "invalid_request",
            Self::Missing
            | Self::Malformed
            | Self::Unknown
            | Self::Revoked
            | Self::Disabled
            | Self::NotYetValid
            | Self::Expired => "unauthorized",
            Self::OwnerInactive => "account_deactivated",
            Self::NetworkDenied => "network_denied",
            Self::RateLimited => "rate_limited",
            Self::InsufficientScope => "insufficient_scope",
            Self::Valid => return None,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl str::FromStr for Verdict {
    type Err = UnknownVerdict;

    fn from_str(name: &str) -> Result<Self, UnknownVerdict> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == name).ok_or(UnknownVerdict)
    }
}

/// A text that is not the name of a verdict. Names are matched exactly, without case folding or trimming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownVerdict;

impl fmt::Display for UnknownVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such verdict")
    }
}

impl error::Error for UnknownVerdict {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_is_read_back_from_its_name_and_stands_at_its_place() {
        for (position, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
            assert_eq!(verdict as usize, position);
        }
        for name in ["", "Valid", " valid", "deleted"] {
            assert_eq!(name.parse::<Verdict>(), Err(UnknownVerdict));
        }
    }

    #[test]
    fn only_valid_is_ok_and_has_no_code() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.ok(), verdict == Verdict::Valid);
            assert_eq!(verdict.ok(), verdict.http_status() == 200);
            assert_eq!(verdict.ok(), verdict.code().is_none());
        }
    }

    #[test]
    fn every_401_has_the_same_code() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.http_status() == 401, verdict.code() == Some("unauthorized"), "{verdict}");
        }
    }
}
