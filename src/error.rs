//! All errors of the extension; `messages` is the one table of how they are reported.
//!
//! Messages follow the server's style guide (PostgreSQL manual, "Error Message Style Guide"). None carries a secret, a
//! digest or a token text; of their input they repeat only names, and what bound expressions raise, with tokens masked.

mod bound_row;
pub mod finding;
pub mod key_fault;
mod messages;
pub mod refusal;
mod told;

use std::fmt;
use std::time::Duration;

use pgrx::Uuid;
pub use pgrx::pg_sys::panic::{ErrorReport, ErrorReportWithLevel};
use pgrx::prelude::*;

use crate::model::bound_to::BoundTo;
use crate::model::data_scope::DataScopeError;
use crate::model::network::NetworkError;
use crate::model::principal_name::PrincipalNameError;
use crate::model::scope::{ScopeError, ScopesError};
use crate::pg::report::diagnostics;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::encoding;
use crate::token::{Algorithm, MalformedDigest, RandomError};
pub use bound_row::BoundRow;
use key_fault::KeyFault;
use refusal::Refusal;

/// Every reason for which a function of this extension refuses a call or fails.
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
    /// A text is not a type of principals; the element of `owner_types` is counted from 1.
    PrincipalType { index: usize },
    /// A list of scopes is malformed.
    Scopes { of: &'static str, why: ScopesError },
    /// Data scopes are malformed.
    DataScopes(DataScopeError),
    /// A network, counted from 1, is malformed.
    Network { index: usize, why: NetworkError },
    /// A token is to be issued with an empty list of networks.
    NoNetworks,
    /// A list has too many elements.
    TooManyElements { of: &'static str, most: usize },
    /// A composite made by hand has a verdict that does not exist.
    NoSuchVerdict,
    /// Grants can be stripped only while the extension is being created.
    NotInstalling,
    /// A digest has a length that no algorithm produces.
    DigestLength,
    /// A digest that comes with a lookup is too long for a token of ours.
    DigestTooLong,
    /// Digests of this algorithm cannot be imported.
    NoSuchAlgorithm,
    /// A digest of an older system is malformed.
    Digest { algorithm: Algorithm, why: MalformedDigest },
    /// The digest is that of an empty text, or of a word that stands for none.
    DigestOfNothing,
    /// The digest was imported before.
    DigestKnown,
    /// The hint of an imported token is the token itself.
    HintIsToken,
    /// The creation of an imported token lies in the future.
    CreatedLater,
    /// `metadata` is not a JSON object.
    Metadata,
    /// The kind does not exist.
    NoSuchKind(String),
    /// The principal does not exist, or was dropped.
    NoSuchPrincipal(String),
    /// The token does not exist, or was deleted.
    NoSuchToken(Uuid),
    /// The kind cannot be owned by principals of this type.
    OwnerType { kind: String, owner_type: String },
    /// The owner is inactive; a bound table may say whether it is.
    OwnerInactive { owner: String, table: Option<String> },
    /// The kind's tokens must have a name.
    NameRequired(String),
    /// The kind's tokens must expire, and no lifetime was given.
    LifetimeRequired(String),
    /// The kind's tokens must expire, and `infinity` was given.
    MustExpire(String),
    /// A column of a kind is a lifetime with a negative part.
    Lifetime(&'static str),
    /// A column of a kind is not a permission.
    Permission { of: &'static str, why: ScopeError },
    /// Both `expires_in` and `expires_at` are given.
    BothExpiries,
    /// The expiry is not in the future.
    ExpiryPassed,
    /// The expiry is beyond what the kind allows, which is this moment.
    ExpiryBeyondMaximum { kind: String, latest: Timestamp },
    /// A point in time is out of the range that clients can write.
    BeyondCalendar(&'static str),
    /// `not_before` is not before the expiry.
    NeverValid,
    /// Scopes or data scopes are given for a kind whose tokens carry none of their own.
    NotChosen { what: &'static str, kind: String },
    /// A chosen scope is beyond the ceiling of the kind.
    BeyondCeiling { kind: String, scope: String },
    /// The owner does not hold a chosen scope.
    ScopeNotHeld(String),
    /// The owner does not hold what the token would grant.
    NotHeld(&'static str),
    /// The owner has as many tokens of this kind as it may.
    TooManyActive { kind: String, most: i32 },
    /// The key file is unusable.
    KeyFile(KeyFault),
    /// A key that rows refer to is not in the key file.
    KeyMissing(String),
    /// A key in the key file differs from the one that rows refer to by its id.
    KeyWrong(String),
    /// The token is revoked.
    TokenRevoked(Uuid),
    /// The token has expired; for `edit`, its kind does not let expired tokens be edited.
    TokenExpired(Uuid),
    /// The token starts working later.
    TokenNotYetValid(Uuid),
    /// No new tokens of the kind are made.
    KindClosed(String),
    /// The kind does not keep token texts.
    KindDoesNotReveal(String),
    /// The text of the token was not kept.
    NotSealed(Uuid),
    /// There is no key to seal token texts with.
    NoSeal,
    /// The stored sealed text of the token does not open.
    SealBroken(Uuid),
    /// A number must be positive.
    NotPositive(&'static str),
    /// A length of time must not be negative.
    Negative(&'static str),
    /// The document is not one of revocations to import.
    NoRevocations,
    /// The document of revocations has an unknown version.
    RevocationsVersion,
    /// An element of a list in that document, counted from 1, is malformed.
    Revocation { of: &'static str, index: usize },
    /// `revoke_all` is called without any selection.
    NothingSelected,
    /// The actor is inactive.
    ActorInactive(String),
    /// The actor has no authority over tokens of this kind and owner.
    NotAllowed(String),
    /// The actor has no authority over any token of this owner.
    NotAllowedFor(String),
    /// The actor may not pass on a token of this kind, for this reason.
    NotPassedOn { kind: String, why: Refusal },
    /// An organisation would be its own member.
    MemberOfItself,
    /// The token has already been rotated.
    TokenRotated(Uuid),
    /// The token is disabled.
    TokenDisabled(Uuid),
    /// The grace is not a length of time.
    Grace,
    /// The grace is longer than the kind allows; it may end at this moment.
    GraceBeyondMaximum { kind: String, latest: Timestamp },
    /// The kind's tokens must have a name, and the one to rotate has none.
    NamelessSuccessor(String),
    /// A role without `manage` access makes a trusted call.
    NotTrusted,
    /// Nobody is authenticated, and the role has no `manage` access.
    NotAuthenticated,
    /// `require_actor` is on, and the call names no actor under no identity.
    ActorRequired,
    /// The effective user may not execute this function.
    MayNotExecute(String),
    /// The actor given is not the identity of the transaction.
    OtherActor,
    /// The operation is not allowed under an identity.
    UnderIdentity,
    /// The call follows an identity that was refused or has ended.
    IdentityLost,
    /// `grant_access` or `revoke_access` is called by somebody other than the owner of the extension.
    NotExtensionOwner,
    /// The access does not exist.
    NoSuchAccess,
    /// The token does not authenticate, for whatever reason.
    NotAccepted,
    /// The token does not grant what is required.
    ScopeNotGranted,
    /// The transaction has another identity, or was closed for identities.
    SecondIdentity,
    /// The identity would change in a security-restricted operation.
    Restricted,
    /// Code of somebody else asks for something by the transaction's identity.
    RestrictedIdentity,
    /// A parallel worker asks for the identity, which it does not have.
    InWorker,
    /// A parallel worker calls a function that must run in its leader alone.
    InParallel,
    /// The kind has tokens that depend on this column.
    KindInUse { kind: String, column: &'static str },
    /// The kind has tokens.
    KindHasTokens(String),
    /// UPDATE, DELETE or TRUNCATE of the events.
    AppendOnly,
    /// A trigger function of the extension is used outside of its triggers.
    TriggerMisuse,
    /// The type of a binding is not a type of principals.
    BoundType,
    /// An argument of a binding is not exactly one expression.
    NotAnExpression(&'static str),
    /// The arguments of a hand-written trigger do not make a binding.
    TriggerArguments,
    /// A hand-written trigger fires at a time or level at which it does not get the rows it needs.
    TriggerTiming,
    /// The table no longer exists.
    NoSuchTable,
    /// The column does not exist.
    NoSuchColumn(String),
    /// The type of the column holds no text.
    NoText { column: String, column_type: String },
    /// The table belongs to somebody else.
    NotTableOwner(String),
    /// The table cannot be bound.
    CannotBind { table: String, why: &'static str },
    /// The table is already bound; or, where it is given, `to` is bound to this table.
    AlreadyBound { table: String, to: Option<BoundTo> },
    /// The table is not bound.
    NotBound(String),
    /// A trigger that DETACH PARTITION has left on a table that is no partition of a bound one any more.
    DetachedPartition(String),
    /// A warning: no unique index covers what a row of the table is.
    NotUnique { table: String, to: BoundTo },
    /// A warning: principals or memberships without a row in the table that has just been bound to them.
    Rowless { table: String, to: BoundTo, count: i64, named: Vec<String> },
    /// Several rows of a bound table are the same principal, or the same member of an organisation.
    SeveralRows { table: String, principal: String, org: Option<String> },
    /// A field that a binding supplies is set by hand.
    SuppliedByBinding { field: &'static str, principal_type: String, table: String },
    /// A membership that a binding supplies is changed by hand.
    MembershipsBound(String),
    /// An error that a bound expression raised.
    Expression(Box<ErrorReportWithLevel>),
    /// Any of these errors, at a row of a bound table.
    InBinding { row: BoundRow, why: Box<Error> },
    /// The feature needs shared memory, which exists only when the library is preloaded.
    NotPreloaded(&'static str),
    /// A standby is further behind its primary than `tokenauth.max_staleness` allows; by how much is unknown when
    /// it has replayed nothing since it was started.
    BehindPrimary { behind: Option<Duration>, most: Duration },
    /// Usage is exported from a server that writes it itself.
    NotStandby,
    /// The document is not usage as it was exported.
    NotUsage,
    /// The operating system provided no random bytes.
    Random,
}

impl Error {
    /// The same error, at this row.
    pub fn in_row(self, row: String) -> Self {
        match self {
            Error::InBinding { row: bound, why } => Error::InBinding { row: BoundRow { row: Some(row), ..bound }, why },
            other => other,
        }
    }

    /// Its primary line and DETAIL in one text, for a list of findings.
    pub fn whole(&self) -> String {
        let told = self.told();
        told.detail.map_or(told.message.clone(), |detail| format!("{}: {detail}", told.message))
    }

    /// Writes it to the log, where there is no client to raise it to.
    pub fn log(self) {
        ErrorReport::from(self).report(PgLogLevel::LOG);
        diagnostics::told();
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
        let parts = [Some(&*told.message), told.detail.as_deref(), told.hint.as_deref()];
        if !parts.iter().flatten().all(|part| part.is_ascii()) {
            tell_in_encoding(parts);
        }
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

/// Sees to it that an error is told in the encoding of the server, if that is not UTF-8.
#[cold]
fn tell_in_encoding(parts: [Option<&str>; 3]) {
    let converted = parts.map(|part| part.and_then(encoding::message));
    if converted.iter().any(Option::is_some) {
        diagnostics::tell_next(parts[0].unwrap_or_default(), converted);
    }
}

impl From<RandomError> for Error {
    fn from(_: RandomError) -> Self {
        Error::Random
    }
}

/// A table as an SQL literal, for hints that name a call.
pub fn literal(table: &str) -> String {
    format!("'{}'", table.replace('\'', "''"))
}
