//! What the rows of a bound table are, and whom one of them is about.

use std::fmt;

use crate::principal::PrincipalName;

/// What the rows of a table are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundTo {
    /// Principals of this type.
    Principals(String),
    /// Memberships of principals in organisations.
    Memberships,
}

impl BoundTo {
    /// What a row is, in the plural.
    pub fn noun(&self) -> &'static str {
        match self {
            BoundTo::Principals(_) => "principals",
            BoundTo::Memberships => "memberships",
        }
    }
}

impl fmt::Display for BoundTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BoundTo::Principals(principal_type) => write!(f, "principals of type \"{principal_type}\""),
            BoundTo::Memberships => f.write_str("memberships"),
        }
    }
}

/// Whom a row is about: a principal, or a member of an organisation.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// The principal, or the member.
    pub principal: PrincipalName,
    /// The organisation, of a member.
    pub org: Option<PrincipalName>,
}

impl Subject {
    /// What a message may show of it.
    pub fn shown(&self) -> String {
        match &self.org {
            None => self.principal.shown(),
            Some(org) => format!("{} in {}", self.principal.shown(), org.shown()),
        }
    }
}
