//! What can go wrong; `messages` is the one table of how PostgreSQL tells it.
//!
//! Messages follow the server's style guide (PostgreSQL manual, "Error Message Style Guide"). None carries a secret, a
//! digest or a token text; names of kinds and principals are the only input that is ever repeated.

mod bound_row;
mod messages;
mod told;

use std::fmt;

use pgrx::Uuid;
pub use pgrx::pg_sys::panic::{ErrorReport, ErrorReportWithLevel};
use pgrx::prelude::*;

use crate::binding::BoundTo;
use crate::data_scope::DataScopeError;
use crate::keys::Fault;
use crate::network::NetworkError;
use crate::principal::PrincipalNameError;
use crate::scope::{ScopeError, ScopesError};
use crate::token::{Algorithm, MalformedDigest, RandomError};
pub use bound_row::BoundRow;

/// Everything a function of this extension refuses, or fails at.
#[derive(Debug)]
pub enum Error {
    /// A required argument or column is NULL.
    Absent(&'static str),
    /// An element of an array, counted from 1, is NULL.
    AbsentElement { of: &'static str, index: usize },
    /// An array has more than one dimension.
    Nested(&'static str),
    /// A text or JSON document is too long.
    TooLong { what: &'static str, most: usize },
    /// A text does not name a principal.
    Principal { what: &'static str, why: PrincipalNameError },
    /// A text does not name a type of principals; the element of `owner_types`, counted from 1.
    PrincipalType { index: usize },
    /// A list of scopes is malformed.
    Scopes { of: &'static str, why: ScopesError },
    /// Data scopes are malformed.
    DataScopes(DataScopeError),
    /// A network, counted from 1, is malformed.
    Network { index: usize, why: NetworkError },
    /// More networks than a token can have.
    TooManyNetworks { most: usize },
    /// A verdict that does not exist, in a composite made by hand.
    NoSuchVerdict,
    /// Grants can be stripped only while the extension is being created.
    NotInstalling,
    /// A digest is of another length than any algorithm's.
    DigestLength,
    /// An algorithm whose digests cannot be imported.
    NoSuchAlgorithm,
    /// A digest of an older system is malformed.
    Digest { algorithm: Algorithm, why: MalformedDigest },
    /// A digest that was imported before.
    DigestKnown,
    /// The hint of an imported token is the token.
    HintIsToken,
    /// An imported token was issued in the future.
    CreatedLater,
    /// `metadata` is not a JSON object.
    Metadata,
    /// A kind that does not exist.
    NoSuchKind(String),
    /// A principal that does not exist, or was dropped.
    NoSuchPrincipal(String),
    /// A token that does not exist, or was deleted.
    NoSuchToken(Uuid),
    /// The kind cannot be owned by principals of this type.
    OwnerType { kind: String, owner_type: String },
    /// The owner is inactive.
    OwnerInactive(String),
    /// A kind whose tokens must have a name.
    NameRequired(String),
    /// A kind whose tokens must expire.
    LifetimeRequired(String),
    /// No expiry at all, for such a kind.
    MustExpire(String),
    /// A lifetime of a kind, which is a column, is negative in a part.
    Lifetime(&'static str),
    /// A permission of a kind, which is a column, is not a scope.
    Permission { of: &'static str, why: ScopeError },
    /// Both `expires_in` and `expires_at`.
    BothExpiries,
    /// An expiry that is not in the future.
    ExpiryPassed,
    /// An expiry beyond what the kind allows.
    ExpiryBeyondMaximum(String),
    /// A point in time that clients cannot write.
    BeyondCalendar(&'static str),
    /// `not_before` is not before the expiry.
    NeverValid,
    /// Scopes or data scopes for a kind whose tokens carry none of their own.
    NotChosen { what: &'static str, kind: String },
    /// Chosen scope, counted in byte order from 1, beyond the ceiling of the kind.
    BeyondCeiling { kind: String, index: usize },
    /// The owner does not hold a chosen scope, counted in byte order from 1.
    ScopeNotHeld { index: usize },
    /// The owner does not hold what the token would grant.
    NotHeld(&'static str),
    /// The owner has as many tokens of this kind as it may.
    TooManyActive { kind: String, most: i32 },
    /// The key file cannot be used.
    KeyFile(Fault),
    /// A key that rows name is not in the key file.
    KeyMissing(String),
    /// A key in the key file is not the one that rows mean by its id.
    KeyWrong(String),
    /// The token is revoked.
    TokenRevoked(Uuid),
    /// The token is expired, and its kind does not let expired tokens be edited.
    TokenExpired(Uuid),
    /// The token begins to work later.
    TokenNotYetValid(Uuid),
    /// The kind does not keep token texts.
    KindDoesNotReveal(String),
    /// The text of the token was not kept.
    NotSealed(Uuid),
    /// There is no key to seal token texts with.
    NoSeal,
    /// What is stored as the sealed text of the token is not.
    SealBroken(Uuid),
    /// A number that must be positive.
    NotPositive(&'static str),
    /// A length of time that must not be negative.
    Negative(&'static str),
    /// Revocations to import are not such a document.
    NoRevocations,
    /// They are of a version that is not known here.
    RevocationsVersion,
    /// An element of one of their lists, counted from 1, is malformed.
    Revocation { of: &'static str, index: usize },
    /// `revoke_all` without any selection.
    NothingSelected,
    /// The actor is inactive.
    ActorInactive(String),
    /// The actor has no authority over tokens of this kind and owner.
    NotAllowed(String),
    /// The actor has no authority over any token of this owner.
    NotAllowedFor(String),
    /// The actor does not hold what the token would grant.
    NotHeldByActor(&'static str),
    /// A token by which a token of another kind, one that grows with its owner, would be handed out.
    OnlyBySameKind(String),
    /// An organisation as its own member.
    MemberOfItself,
    /// The token was rotated.
    TokenRotated(Uuid),
    /// The token is disabled.
    TokenDisabled(Uuid),
    /// A grace that is not a length of time.
    Grace,
    /// A trusted call by a role without `manage` access.
    NotTrusted,
    /// Another actor than the identity of the transaction.
    OtherActor,
    /// What nobody does under an identity.
    UnderIdentity,
    /// A call after an identity was refused or has ended.
    IdentityLost,
    /// `grant_access` or `revoke_access` by somebody else than the owner of the extension.
    NotExtensionOwner,
    /// An access that does not exist.
    NoSuchAccess,
    /// A token that does not authenticate, for whatever reason.
    NotAccepted,
    /// A token that does not grant what is required.
    ScopeNotGranted,
    /// A second identity for a transaction, or one after it was closed for them.
    SecondIdentity,
    /// The identity, asked for where nothing is known of it.
    InWorker,
    /// A column of a kind that its tokens depend on.
    KindInUse { kind: String, column: &'static str },
    /// A kind that has tokens.
    KindHasTokens(String),
    /// UPDATE, DELETE or TRUNCATE of history.
    AppendOnly,
    /// A trigger function used in another way than the extension's.
    TriggerMisuse,
    /// The type of a binding is not a type of principals.
    BoundType,
    /// An argument of a binding that is not one expression.
    NotAnExpression(&'static str),
    /// Arguments of a hand-written trigger that make no binding.
    TriggerArguments,
    /// A hand-written trigger that cannot see all that it would have to.
    TriggerTiming,
    /// A table that does not exist any more.
    NoSuchTable,
    /// A column that does not exist.
    NoSuchColumn(String),
    /// A column whose type holds no text.
    NoText { column: String, column_type: String },
    /// A table of somebody else.
    NotTableOwner(String),
    /// A table that cannot be bound.
    CannotBind { table: String, why: &'static str },
    /// The table is bound already; or, if it is given, what it would be bound to.
    AlreadyBound { table: String, to: Option<BoundTo> },
    /// A table that is not bound.
    NotBound(String),
    /// Several rows of a bound table are the same principal, or the same member of an organisation.
    SeveralRows { table: String, principal: String, org: Option<String> },
    /// A field that a binding supplies, set by hand.
    SuppliedByBinding { field: &'static str, principal_type: String, table: String },
    /// A membership that a binding supplies, changed by hand.
    MembershipsBound(String),
    /// What a bound expression has raised.
    Expression(Box<ErrorReportWithLevel>),
    /// Any of these, met at a row of a bound table.
    InBinding { row: BoundRow, why: Box<Error> },
    /// Something needs shared memory, which there is only where the library is preloaded.
    NotPreloaded(&'static str),
    /// Usage of a server that writes it itself.
    NotStandby,
    /// Usage that is not as it was handed out.
    NotUsage,
    /// The operating system gave no random bytes.
    Random,
}

impl Error {
    /// The same, met at this row.
    pub fn in_row(self, row: String) -> Self {
        match self {
            Error::InBinding { row: bound, why } => Error::InBinding { row: BoundRow { row: Some(row), ..bound }, why },
            other => other,
        }
    }

    /// Its primary line and its DETAIL, for telling it as a finding.
    pub fn whole(&self) -> String {
        let told = self.told();
        told.detail.map_or(told.message.clone(), |detail| format!("{}: {detail}", told.message))
    }

    /// Tells it to the log, where there is nobody to raise it to.
    pub fn log(self) {
        ErrorReport::from(self).report(PgLogLevel::LOG);
    }

    /// Its HINT.
    pub fn hint(&self) -> String {
        self.told().hint.unwrap_or_default().into_owned()
    }
}

/// Its primary line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told().message)
    }
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        let told = error.told();
        let mut report = ErrorReport::new(told.state, told.message, "tokenauth");
        if let Some(detail) = told.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = told.hint {
            report = report.set_hint(hint.into_owned());
        }
        report
    }
}

impl From<RandomError> for Error {
    fn from(_: RandomError) -> Self {
        Error::Random
    }
}
