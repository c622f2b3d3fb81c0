//! The rules of a kind that tokens issued before they were made may break.

/// A rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Every token must expire.
    NoExpiry,
    /// None lives longer than `max_lifetime` from now.
    Lifetime,
    /// None goes unused for longer than `max_idle`.
    Idle,
    /// Every token must have a name.
    Name,
    /// None was granted scopes beyond the ceiling.
    Ceiling,
    /// No owner has more of them than `max_active_per_owner`.
    Maximum,
}

impl Rule {
    /// Every rule, in the order in which they are listed and applied: what has died of one does not break the next.
    pub const ALL: [Self; 6] = [Self::NoExpiry, Self::Lifetime, Self::Idle, Self::Name, Self::Ceiling, Self::Maximum];

    /// The one of this name in SQL.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str().as_bytes() == name)
    }

    /// The name in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoExpiry => "no_expiry",
            Self::Lifetime => "lifetime",
            Self::Idle => "idle",
            Self::Name => "name",
            Self::Ceiling => "ceiling",
            Self::Maximum => "maximum",
        }
    }
}
