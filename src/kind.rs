//! A kind: the policy a token belongs to.

pub mod guard;
mod lifetime;

pub use lifetime::Expiry;

use pgrx::datum::Interval;

use crate::data_scope::DataScopes;
use crate::error::Error;
use crate::pg::text::Text;
use crate::request::ErrorStyle;
use crate::scope::{Scope, Scopes};
use crate::token::Prefix;
use crate::usage::Rate;

/// Where the scopes of a token come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PermissionMode {
    /// The owner's permissions and data scopes of now.
    Live,
    /// The chosen scopes, cut to the owner's of now.
    Intersect,
    /// The chosen scopes, as granted.
    Snapshot,
    /// System-wide.
    All,
}

impl PermissionMode {
    /// From the column `permission_mode`, whose CHECK allows these four.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"live" => Some(PermissionMode::Live),
            b"intersect" => Some(PermissionMode::Intersect),
            b"snapshot" => Some(PermissionMode::Snapshot),
            b"all" => Some(PermissionMode::All),
            _ => None,
        }
    }

    /// Whether a token carries scopes of its own.
    pub fn is_chosen(self) -> bool {
        matches!(self, PermissionMode::Intersect | PermissionMode::Snapshot)
    }
}

/// A row of `tokenauth.kind`, as far as the functions need it.
pub struct Kind {
    /// Its name.
    pub name: Text,
    /// What its tokens begin with.
    pub prefix: Prefix,
    /// Types of principals that may own its tokens.
    pub owner_types: Vec<Text>,
    /// Where scopes come from.
    pub permission_mode: PermissionMode,
    /// What scopes never exceed; `None`: no ceiling.
    pub ceiling: Option<Scopes>,
    /// Lifetime when none is asked for; `None`: no expiry.
    pub default_lifetime: Option<Interval>,
    /// Longest lifetime; `None`: no bound.
    pub max_lifetime: Option<Interval>,
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
    /// Whether actors may hand out, edit and widen; false: only the application's trusted calls.
    pub self_service: bool,
    /// What an actor must hold for everything on its tokens but revoking its own; `None`: nothing.
    pub issue_permission: Option<Scope>,
    /// What lets an actor see and manage tokens of others; `None`: nothing does.
    pub manage_permission: Option<Scope>,
    /// How many tokens one owner may have alive; `None`: any number.
    pub max_active_per_owner: Option<i32>,
    /// How often each token may be used; `None`: as often as it likes.
    pub rate: Option<Rate>,
    /// Body of error responses.
    pub error_style: ErrorStyle,
}

impl Kind {
    /// What an owner that holds these permissions can pass on through tokens of this kind.
    pub fn held(&self, permissions: &Scopes) -> Scopes {
        match self.permission_mode {
            PermissionMode::All => self.cut(Scopes::everything()),
            _ => self.cut(permissions.clone()),
        }
    }

    /// # Errors
    /// 22023 when a chosen scope is beyond the ceiling.
    pub fn within_ceiling(&self, chosen: &Scopes) -> Result<(), Error> {
        let Some(ceiling) = &self.ceiling else {
            return Ok(());
        };
        match chosen.first_not_in(ceiling) {
            None => Ok(()),
            Some(index) => Err(Error::BeyondCeiling { kind: self.name.shown(), index }),
        }
    }

    /// What a token grants now.
    pub fn effective_scopes(&self, granted: Option<&Scopes>, permissions: &Scopes) -> Scopes {
        match (self.permission_mode, granted) {
            (PermissionMode::Live, _) => self.cut(permissions.clone()),
            (PermissionMode::All, _) => self.cut(Scopes::everything()),
            // Mostly the owner still holds what it chose.
            (PermissionMode::Intersect, Some(granted)) if granted.within(permissions) => self.cut(granted.clone()),
            (PermissionMode::Intersect, Some(granted)) => self.cut(granted.intersect(permissions)),
            (PermissionMode::Snapshot, Some(granted)) => self.cut(granted.clone()),
            (PermissionMode::Intersect | PermissionMode::Snapshot, None) => Scopes::nothing(),
        }
    }

    /// Whether a token grants this now: what [`effective_scopes`](Self::effective_scopes) covers, without making it. An
    /// intersection covers just what each of its parts does.
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

    /// The data scopes of a token now.
    pub fn effective_data_scopes(&self, granted: Option<&DataScopes>, held: &DataScopes) -> DataScopes {
        match (self.permission_mode, granted) {
            (PermissionMode::Live, _) => held.clone(),
            (PermissionMode::All, _) => DataScopes::unrestricted(),
            (PermissionMode::Intersect, Some(granted)) => granted.intersect(held),
            (PermissionMode::Snapshot, Some(granted)) => granted.clone(),
            (PermissionMode::Intersect | PermissionMode::Snapshot, None) => DataScopes::nothing(),
        }
    }

    fn cut(&self, scopes: Scopes) -> Scopes {
        match &self.ceiling {
            Some(ceiling) => scopes.intersect(ceiling),
            None => scopes,
        }
    }
}
