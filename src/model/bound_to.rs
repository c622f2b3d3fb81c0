//! What the rows of a bound table become, and which principal or membership a row stands for.

use std::fmt;

use super::principal_name::PrincipalName;

/// What the rows of a bound table become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundTo {
    /// Principals of this type.
    Principals(String),
    /// Memberships of principals in organisations.
    Memberships,
}

impl BoundTo {
    /// The plural of what a row becomes.
    pub fn noun(&self) -> &'static str {
        match self {
            BoundTo::Principals(_) => "principals",
            BoundTo::Memberships => "memberships",
        }
    }

    /// What tells one from another.
    pub fn identity(&self) -> &'static str {
        match self {
            BoundTo::Principals(_) => "id",
            BoundTo::Memberships => "org and member",
        }
    }

    /// The first argument of its triggers: the type of the principals, empty for memberships.
    pub fn type_argument(&self) -> &str {
        match self {
            BoundTo::Principals(of_type) => of_type,
            BoundTo::Memberships => "",
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

/// What a row stands for: a principal, or a membership.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// The principal, or the member.
    pub principal: PrincipalName,
    /// The organisation of a membership.
    pub org: Option<PrincipalName>,
}

impl Subject {
    /// As messages may show it.
    pub fn shown(&self) -> String {
        match &self.org {
            None => self.principal.shown(),
            Some(org) => format!("{} in {}", self.principal.shown(), org.shown()),
        }
    }
}
