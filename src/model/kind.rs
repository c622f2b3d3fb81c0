//! A kind: the policy a token belongs to.

use pgrx::datum::Interval;

use super::data_scope::DataScopes;
use super::error_style::ErrorStyle;
use super::rate::Rate;
use super::scope::{Scope, Scopes};
use crate::pg::types::text::Text;
use crate::token::Prefix;

/// Where the scopes of a token come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PermissionMode {
    /// The owner's current permissions and data scopes.
    Live,
    /// The chosen scopes, cut to what the owner currently holds.
    Intersect,
    /// The chosen scopes, as granted.
    Snapshot,
    /// System-wide.
    All,
}

impl PermissionMode {
    /// Parses the column `permission_mode`, whose CHECK allows these four values.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"live" => Some(PermissionMode::Live),
            b"intersect" => Some(PermissionMode::Intersect),
            b"snapshot" => Some(PermissionMode::Snapshot),
            b"all" => Some(PermissionMode::All),
            _ => None,
        }
    }

    /// Whether a token carries scopes of its own, chosen when it is issued.
    pub fn is_chosen(self) -> bool {
        matches!(self, PermissionMode::Intersect | PermissionMode::Snapshot)
    }
}

/// A row of `tokenauth.kind`, as far as the functions need it.
pub struct Kind {
    pub name: Text,
    /// The prefix of its tokens.
    pub prefix: Prefix,
    /// Types of principals that may own its tokens.
    pub owner_types: Vec<Text>,
    /// Where the scopes of its tokens come from.
    pub permission_mode: PermissionMode,
    /// Scopes that its tokens never exceed; `None`: no ceiling.
    pub ceiling: Option<Scopes>,
    /// Lifetime when the caller gives none; `None`: no expiry.
    pub default_lifetime: Option<Interval>,
    /// Longest lifetime; `None`: no bound.
    pub max_lifetime: Option<Interval>,
    /// Longest grace of a rotation.
    pub max_grace: Interval,
    /// Whether every token must expire.
    pub lifetime_required: bool,
    /// Whether every token must have a name.
    pub name_required: bool,
    /// Whether its tokens die for good when their owner is deactivated.
    pub dies_with_owner: bool,
    /// Whether an expired token can be edited.
    pub expired_editable: bool,
    /// Whether token texts are kept sealed.
    pub reveal: bool,
    /// Whether actors may hand out and edit tokens; false: only the application's trusted calls may.
    pub self_service: bool,
    /// Permission an actor needs for anything but revoking a token of its own; `None`: none is needed.
    pub issue_permission: Option<Scope>,
    /// Permission that lets an actor see and manage tokens of others; `None`: no permission does.
    pub manage_permission: Option<Scope>,
    /// Number of tokens one owner may have alive; `None`: unlimited.
    pub max_active_per_owner: Option<i32>,
    /// How often each token may be used; `None`: unlimited.
    pub rate: Option<Rate>,
    /// The age at which a token ends, whatever its expiry; `None`: none.
    pub max_age: Option<Interval>,
    /// How long a token may go unused before it is revoked; `None`: as long as it likes.
    pub max_idle: Option<Interval>,
    /// Body of error responses.
    pub error_style: ErrorStyle,
    /// Whether no new tokens are made.
    pub closed: bool,
    /// Whether holders may derive children from its tokens.
    pub derivable: bool,
    /// The longest that a child may work.
    pub max_derived_lifetime: Interval,
}

impl Kind {
    /// What an owner with these permissions can pass on through tokens of this kind.
    pub fn held(&self, permissions: &Scopes) -> Scopes {
        match self.permission_mode {
            PermissionMode::All => self.cut(Scopes::everything()),
            _ => self.cut(permissions.clone()),
        }
    }

    /// The scopes that a token grants now.
    pub fn effective_scopes(&self, granted: Option<&Scopes>, permissions: &Scopes) -> Scopes {
        match (self.permission_mode, granted) {
            (PermissionMode::Live, _) => self.cut(permissions.clone()),
            (PermissionMode::All, _) => self.cut(Scopes::everything()),
            // Usually the owner still holds what was chosen.
            (PermissionMode::Intersect, Some(granted)) if granted.within(permissions) => self.cut(granted.clone()),
            (PermissionMode::Intersect, Some(granted)) => self.cut(granted.intersect(permissions)),
            (PermissionMode::Snapshot, Some(granted)) => self.cut(granted.clone()),
            (PermissionMode::Intersect | PermissionMode::Snapshot, None) => Scopes::nothing(),
        }
    }

    /// Whether a token grants this scope now. Same answer as [`effective_scopes`](Self::effective_scopes), without
    /// building the set: an intersection covers exactly what each of its parts covers.
    pub fn grants(&self, scope: &Scope, granted: Option<&Scopes>, permissions: &Scopes) -> bool {
        let is_granted = || granted.is_some_and(|granted| granted.covers(scope));
        self.ceiling.as_ref().is_none_or(|ceiling| ceiling.covers(scope))
            && match self.permission_mode {
                PermissionMode::Live => permissions.covers(scope),
                PermissionMode::All => true,
                PermissionMode::Intersect => is_granted() && permissions.covers(scope),
                PermissionMode::Snapshot => is_granted(),
            }
    }

    /// The data scopes that a token has now.
    pub fn effective_data_scopes(&self, granted: Option<&DataScopes>, held: &DataScopes) -> DataScopes {
        match (self.permission_mode, granted) {
            (PermissionMode::Live, _) => held.clone(),
            (PermissionMode::All, _) => DataScopes::unrestricted(),
            (PermissionMode::Intersect, Some(granted)) => granted.intersect(held),
            (PermissionMode::Snapshot, Some(granted)) => granted.clone(),
            (PermissionMode::Intersect | PermissionMode::Snapshot, None) => DataScopes::nothing(),
        }
    }

    /// The part of these scopes within the ceiling.
    pub fn cut(&self, scopes: Scopes) -> Scopes {
        match &self.ceiling {
            Some(ceiling) => scopes.intersect(ceiling),
            None => scopes,
        }
    }
}
