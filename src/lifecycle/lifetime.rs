//! When the tokens of a kind expire.

use pgrx::datum::Interval;

use crate::error::LifetimeError;
use crate::model::kind::Kind;
use crate::pg::types::clock::{Timestamp, is_negative, is_positive};

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
    pub fn asked(expires_in: Option<Interval>, expires_at: Option<Timestamp>) -> Result<Self, LifetimeError> {
        match (expires_in, expires_at) {
            (None, None) => Ok(Expiry::Default),
            (Some(lifetime), None) => Ok(Expiry::In(lifetime)),
            (None, Some(moment)) => Ok(Expiry::At(moment)),
            (Some(_), Some(_)) => Err(LifetimeError::BothExpiries),
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
    pub fn expiry(&self, asked: &Expiry, now: Timestamp) -> Result<Option<Timestamp>, LifetimeError> {
        let expires_at = match (asked, &self.default_lifetime) {
            (Expiry::Default, None) => None,
            (Expiry::Default, Some(lifetime)) | (Expiry::In(lifetime), _) => Some(end_of(lifetime, now)?),
            (Expiry::At(Timestamp::INFINITY), _) => None,
            (Expiry::At(moment), _) if *moment <= now => return Err(LifetimeError::ExpiryPassed),
            (Expiry::At(moment), _) if !moment.is_writable() => {
                return Err(LifetimeError::BeyondCalendar("expires_at"));
            }
            (Expiry::At(moment), _) => Some(*moment),
        };
        let latest = self.latest(now);
        let beyond = |latest| Err(LifetimeError::ExpiryBeyondMaximum { kind: self.name.shown(), latest });
        let Some(expires_at) = expires_at else {
            // A kind with a maximum has no unbounded tokens, neither on request nor for lack of a default. A maximum
            // that ends beyond the calendar counts as none.
            return match (latest, asked) {
                (_, Expiry::Default) if self.lifetime_required => Err(LifetimeError::Required(self.name.shown())),
                (Some(_), Expiry::Default) => Ok(self.longest(now)),
                (Some(latest), _) => beyond(latest),
                (None, _) if self.lifetime_required => Err(LifetimeError::MustExpire(self.name.shown())),
                (None, _) => Ok(None),
            };
        };
        match latest {
            Some(latest) if expires_at > latest => beyond(latest),
            _ => Ok(Some(expires_at)),
        }
    }

    /// When a token that is issued now in place of one with this expiry stops working; `None`: never.
    ///
    /// The kind may be stricter than when that one was issued: the successor gets no more than a new token could have.
    ///
    /// # Errors
    /// 22004 when the kind requires an expiry and says nothing about how long tokens live.
    pub fn inherited(&self, expires_at: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, LifetimeError> {
        match (expires_at, self.latest(now)) {
            (Some(end), Some(latest)) if end > latest => Ok(self.longest(now)),
            (Some(end), _) => Ok(Some(end)),
            (None, _) if !self.lifetime_required => Ok(self.longest(now)),
            (None, _) => match self.default_lifetime.as_ref().or(self.max_lifetime.as_ref()) {
                Some(lifetime) => end_of(lifetime, now).map(Some),
                None => Err(LifetimeError::Required(self.name.shown())),
            },
        }
    }

    /// When the grace of a token that is rotated now ends.
    ///
    /// # Errors
    /// 22023 when the grace is negative, longer than `max_grace`, or ends beyond the year 9999.
    pub fn end_of_grace(&self, grace: &Interval, now: Timestamp) -> Result<Timestamp, LifetimeError> {
        let end = if is_negative(grace) { None } else { now.plus(grace) }.ok_or(LifetimeError::Grace)?;
        match now.plus(&self.max_grace) {
            Some(latest) if end > latest => Err(LifetimeError::GraceBeyondMaximum { kind: self.name.shown(), latest }),
            _ => Ok(end),
        }
    }

    /// The end of the longest lifetime that begins now; `None` when there is no bound.
    fn longest(&self, now: Timestamp) -> Option<Timestamp> {
        self.max_lifetime.as_ref().and_then(|longest| now.plus(longest))
    }

    /// The latest expiry allowed now: the end of the last day, since "one year from today" means that day, whatever the
    /// hour.
    fn latest(&self, now: Timestamp) -> Option<Timestamp> {
        self.longest(now).map(Timestamp::end_of_day)
    }
}

fn end_of(lifetime: &Interval, now: Timestamp) -> Result<Timestamp, LifetimeError> {
    if !is_positive(lifetime) {
        return Err(LifetimeError::ExpiryPassed);
    }
    let end = now.plus(lifetime).ok_or(LifetimeError::BeyondCalendar("expires_in"))?;
    if end > now { Ok(end) } else { Err(LifetimeError::ExpiryPassed) }
}
