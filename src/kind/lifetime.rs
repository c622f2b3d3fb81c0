//! When the tokens of a kind expire.

use pgrx::datum::Interval;

use super::Kind;
use crate::error::Error;
use crate::pg::clock::{Timestamp, is_positive};

/// The expiry that the caller asks for.
pub enum Expiry {
    /// Neither argument is given.
    Default,
    /// `expires_in`, counted from now.
    In(Interval),
    /// `expires_at`; `infinity` means never.
    At(Timestamp),
}

impl Expiry {
    /// Reads the two arguments.
    ///
    /// # Errors
    /// 22023 when both are given.
    pub fn asked(expires_in: Option<Interval>, expires_at: Option<Timestamp>) -> Result<Self, Error> {
        match (expires_in, expires_at) {
            (None, None) => Ok(Expiry::Default),
            (Some(lifetime), None) => Ok(Expiry::In(lifetime)),
            (None, Some(moment)) => Ok(Expiry::At(moment)),
            (Some(_), Some(_)) => Err(Error::BothExpiries),
        }
    }

    /// Whether the caller gave either argument.
    pub fn is_given(&self) -> bool {
        !matches!(self, Expiry::Default)
    }
}

impl Kind {
    /// When a token with this asked expiry stops working, if it is issued now; `None`: never.
    ///
    /// # Errors
    /// 22004 when the kind requires an expiry and there is none, 22023 when it is not in the future, beyond
    /// `max_lifetime`, or beyond the year 9999.
    pub fn expiry(&self, asked: &Expiry, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let expires_at = match (asked, &self.default_lifetime) {
            (Expiry::Default, None) => None,
            (Expiry::Default, Some(lifetime)) | (Expiry::In(lifetime), _) => Some(end_of(lifetime, now)?),
            (Expiry::At(Timestamp::INFINITY), _) => None,
            (Expiry::At(moment), _) if *moment <= now => return Err(Error::ExpiryPassed),
            (Expiry::At(moment), _) if !moment.is_writable() => return Err(Error::BeyondCalendar("expires_at")),
            (Expiry::At(moment), _) => Some(*moment),
        };
        let Some(expires_at) = expires_at else {
            // A kind with a maximum has no unbounded tokens, neither on request nor for lack of a default. A maximum
            // that ends beyond the calendar counts as none.
            return match (self.max_lifetime.as_ref().and_then(|longest| now.plus(longest)), asked) {
                (_, Expiry::Default) if self.lifetime_required => Err(Error::LifetimeRequired(self.name.shown())),
                (Some(end), Expiry::Default) => Ok(Some(end)),
                (Some(_), _) => Err(Error::ExpiryBeyondMaximum(self.name.shown())),
                (None, _) if self.lifetime_required => Err(Error::MustExpire(self.name.shown())),
                (None, _) => Ok(None),
            };
        };
        match &self.max_lifetime {
            // Compared with the end of the last day: "one year from today" means that day, whatever the hour.
            Some(longest) if now.plus(longest).is_some_and(|end| expires_at > end.end_of_day()) => {
                Err(Error::ExpiryBeyondMaximum(self.name.shown()))
            }
            _ => Ok(Some(expires_at)),
        }
    }
}

fn end_of(lifetime: &Interval, now: Timestamp) -> Result<Timestamp, Error> {
    if !is_positive(lifetime) {
        return Err(Error::ExpiryPassed);
    }
    let end = now.plus(lifetime).ok_or(Error::BeyondCalendar("expires_in"))?;
    if end > now { Ok(end) } else { Err(Error::ExpiryPassed) }
}
