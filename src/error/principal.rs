//! What a principal is not, and what cannot be done to it by hand.

use super::parts::{ErrorParts, invalid, unknown, unready};

/// A principal cannot have it done.
#[derive(Debug)]
pub enum PrincipalError {
    /// It does not exist, or was dropped.
    NotFound(String),
    /// It is to own a token and is inactive; a bound table may say whether it is.
    Inactive { principal: String, table: Option<String> },
    /// It would be its own member.
    MemberOfItself,
    /// A field that a binding supplies is set by hand.
    SuppliedByBinding { field: &'static str, principal_type: String, table: String },
    /// A membership that a binding supplies is changed by hand.
    MembershipsBound(String),
    /// It is to be erased while a bound table still has a row of it.
    StillBound(String),
    /// It stands for one that was erased.
    Erased,
    /// It was erased, and is to be put again.
    IdErased(String),
}

impl PrincipalError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NotFound(principal) => unknown(format!("principal \"{principal}\" does not exist"))
                .hint("Use tokenauth.put_principal() or tokenauth.bind_principals() to make it known."),
            Self::Inactive { principal, table } => {
                unready(format!("principal \"{principal}\" is inactive")).hint(match table {
                    None => "Use tokenauth.activate() first.".to_owned(),
                    Some(table) => format!("Change its row of table {table}, which says whether it is active."),
                })
            }
            Self::MemberOfItself => invalid("principal cannot be a member of itself"),
            Self::SuppliedByBinding { field, principal_type, table } => {
                unready(format!("{field} of principals of type \"{principal_type}\" cannot be set by hand"))
                    .detail(format!("It comes from table {table}."))
                    .hint("Change the row of that table.")
            }
            Self::MembershipsBound(table) => unready("memberships cannot be changed by hand")
                .detail(format!("They come from table {table}."))
                .hint("Change the rows of that table."),
            Self::StillBound(principal) => unready(format!("principal \"{principal}\" cannot be erased"))
                .detail("A bound table still has a row of it, or of a membership of it.")
                .hint("Delete the row first; tokenauth.sync_principals() repairs what has drifted from the table."),
            Self::Erased => unready("principal was erased").detail("Its id only stands for it in history."),
            Self::IdErased(principal) => unready(format!("principal \"{principal}\" was erased"))
                .detail("An id that was erased is not used again.")
                .hint("Give whoever it is for another id."),
        }
    }
}
