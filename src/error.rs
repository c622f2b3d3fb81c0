//! What can go wrong, and how PostgreSQL tells it: the one table of SQLSTATE, message, DETAIL and HINT.
//!
//! Messages follow the server's style guide (PostgreSQL manual, "Error Message Style Guide"). None carries a secret, a
//! digest or a token text; names of kinds and principals are the only input that is ever repeated.

mod bound_row;
mod told;

use std::borrow::Cow;
use std::fmt;

use pgrx::Uuid;
pub use pgrx::pg_sys::panic::{ErrorReport, ErrorReportWithLevel};
use pgrx::prelude::*;

use crate::binding::BoundTo;
use crate::data_scope::DataScopeError;
use crate::keys::Fault;
use crate::masking;
use crate::network::NetworkError;
use crate::principal::PrincipalNameError;
use crate::scope::{ScopeError, ScopesError};
use crate::token::{Algorithm, MalformedDigest, RandomError};
pub use bound_row::BoundRow;
use told::{Told, sentence};

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
    fn told(&self) -> Told {
        use PgSqlErrorCode as State;
        const ABSENT: State = State::ERRCODE_NULL_VALUE_NOT_ALLOWED;
        const INVALID: State = State::ERRCODE_INVALID_PARAMETER_VALUE;
        const UNKNOWN: State = State::ERRCODE_UNDEFINED_OBJECT;
        const DENIED: State = State::ERRCODE_INSUFFICIENT_PRIVILEGE;
        const STATE: State = State::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
        match self {
            Error::Absent(what) => Told::new(ABSENT, format!("{what} must not be null")),
            Error::AbsentElement { of, index } => {
                Told::new(ABSENT, format!("element {index} of {of} must not be null"))
            }
            Error::Nested(what) => Told::new(INVALID, format!("{what} must be a one-dimensional array")),
            Error::TooLong { what, most } => {
                Told::new(INVALID, format!("{what} is too long")).detail(format!("It may have at most {most} bytes."))
            }
            Error::Principal { what, why } => {
                Told::new(INVALID, format!("{what} does not name a principal")).detail(sentence(why))
            }
            Error::PrincipalType { index } => {
                Told::new(INVALID, format!("element {index} of owner_types does not name a type of principals")).detail(
                    "The type of a principal is a lower-case letter followed by at most 31 such letters, digits or \"_\".",
                )
            }
            Error::Scopes { of, why } => Told::new(INVALID, format!("{of} is not a list of scopes"))
                .detail(sentence(why))
                .hint("A scope has one to four segments of letters, digits, \"_\", \".\", \"/\" and \"-\", joined by \":\"; a segment may be \"*\"."),
            Error::DataScopes(why) => Told::new(INVALID, "data_scopes is malformed")
                .detail(sentence(why))
                .hint("Data scopes look like {\"site\": [\"nyc\", \"lon\"]}."),
            Error::Network { index, why } => {
                Told::new(INVALID, format!("element {index} of networks is not a network")).detail(sentence(why))
            }
            Error::TooManyNetworks { most } => Told::new(INVALID, "networks has too many elements")
                .detail(format!("It may have at most {most} elements.")),
            Error::NoSuchVerdict => Told::new(INVALID, "verdict does not exist")
                .hint("Pass on what tokenauth.verify() answered."),
            Error::NotInstalling => Told::new(STATE, "grants are stripped only by CREATE EXTENSION"),
            Error::DigestLength => Told::new(INVALID, "digest has the wrong length")
                .detail("A SHA-256 digest has 32 bytes, a SHA-512 digest 64."),
            Error::NoSuchAlgorithm => Told::new(INVALID, "algorithm does not exist")
                .hint("Digests of algorithm \"sha256\" and \"sha512\" can be imported."),
            Error::Digest { algorithm, why } => Told::new(INVALID, why.to_string()).detail(format!(
                "A digest of algorithm \"{algorithm}\" is written as {} hexadecimal digits.",
                2 * algorithm.digest_len()
            )),
            Error::DigestKnown => Told::new(State::ERRCODE_DUPLICATE_OBJECT, "token with this digest already exists")
                .hint("It was imported before; revoked and deleted tokens keep their digests."),
            Error::HintIsToken => Told::new(INVALID, "hint must not be the token itself")
                .detail("Lists and events show hints."),
            Error::CreatedLater => Told::new(INVALID, "created_at must not be in the future"),
            Error::Metadata => Told::new(INVALID, "metadata must be a JSON object"),
            Error::NoSuchKind(kind) => Told::new(UNKNOWN, format!("token kind \"{kind}\" does not exist"))
                .hint("Kinds are rows of the table tokenauth.kind."),
            Error::NoSuchPrincipal(principal) => Told::new(UNKNOWN, format!("principal \"{principal}\" does not exist"))
                .hint("Use tokenauth.put_principal() or tokenauth.bind_principals() to make it known."),
            Error::NoSuchToken(id) => Told::new(UNKNOWN, format!("token \"{id:-x}\" does not exist")),
            Error::OwnerType { kind, owner_type } => Told::new(
                INVALID,
                format!("principals of type \"{owner_type}\" cannot own tokens of kind \"{kind}\""),
            )
            .hint("The column owner_types of tokenauth.kind lists the types that can."),
            Error::OwnerInactive(owner) => Told::new(STATE, format!("principal \"{owner}\" is inactive"))
                .hint("Use tokenauth.activate() first."),
            Error::NameRequired(kind) => Told::new(ABSENT, format!("tokens of kind \"{kind}\" must have a name")),
            Error::LifetimeRequired(kind) => Told::new(ABSENT, format!("tokens of kind \"{kind}\" must expire"))
                .hint("Give expires_in or expires_at."),
            Error::MustExpire(kind) => Told::new(INVALID, format!("tokens of kind \"{kind}\" must expire")),
            Error::Lifetime(column) => Told::new(INVALID, format!("{column} is out of range"))
                .detail("No part of a lifetime may be negative."),
            Error::Permission { of, why } => Told::new(INVALID, format!("{of} is not a scope")).detail(sentence(why)),
            Error::BothExpiries => Told::new(INVALID, "expires_in and expires_at cannot both be given"),
            Error::ExpiryPassed => Told::new(INVALID, "expiry must be in the future"),
            Error::ExpiryBeyondMaximum(kind) => {
                Told::new(INVALID, format!("expiry is later than tokens of kind \"{kind}\" may have"))
                    .hint("The column max_lifetime of tokenauth.kind says how long they may live.")
            }
            Error::BeyondCalendar(what) => Told::new(INVALID, format!("{what} is out of range"))
                .detail("Points in time lie within the years 1 to 9999."),
            Error::NeverValid => Told::new(INVALID, "not_before must be before the expiry"),
            Error::NotChosen { what, kind } => {
                Told::new(INVALID, format!("{what} cannot be chosen for tokens of kind \"{kind}\""))
                    .detail("Kinds of permission mode \"live\" and \"all\" take everything from elsewhere.")
            }
            Error::BeyondCeiling { kind, index } => {
                Told::new(INVALID, format!("scope is beyond the ceiling of kind \"{kind}\""))
                    .detail(format!("It is number {index} of the scopes given, in byte order."))
            }
            Error::ScopeNotHeld { index } => Told::new(DENIED, "scopes of a token must be held by its owner")
                .detail(format!("Number {index} of the scopes given, in byte order, is not.")),
            Error::NotHeld(what) => Told::new(DENIED, format!("{what} of a token must be held by its owner"))
                .detail("The token would grant more than its owner holds now."),
            Error::TooManyActive { kind, most } => Told::new(
                State::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!("owner has reached the limit for tokens of kind \"{kind}\""),
            )
            .detail(format!("At most {most} may be alive at once."))
            .hint("Revoke one first; max_active_per_owner of the kind is the limit."),
            Error::KeyFile(fault) => Told::new(STATE, "key file cannot be used")
                .detail(sentence(fault))
                .hint("The setting tokenauth.key_file names it; put it right and reload the configuration."),
            Error::KeyMissing(id) => Told::new(STATE, format!("key \"{id}\" is not in the key file"))
                .detail("There are tokens that need it.")
                .hint("Put its line back into the file that tokenauth.key_file names, and reload the configuration."),
            Error::KeyWrong(id) => Told::new(STATE, format!("key \"{id}\" in the key file is not the key of that name"))
                .detail("Its check value is not the one in the table tokenauth.key.")
                .hint("Restore its line from a backup, or give another key another name."),
            Error::TokenRevoked(id) => Told::new(STATE, format!("token \"{id:-x}\" is revoked"))
                .hint("A revoked token cannot be brought back; issue another."),
            Error::TokenExpired(id) => Told::new(STATE, format!("token \"{id:-x}\" is expired"))
                .hint("Delete it and issue another."),
            Error::TokenNotYetValid(id) => Told::new(STATE, format!("token \"{id:-x}\" is not valid yet")),
            Error::KindDoesNotReveal(kind) => {
                Told::new(STATE, format!("tokens of kind \"{kind}\" cannot be revealed"))
                    .detail("Their texts are not kept; the column reveal of tokenauth.kind says so.")
            }
            Error::NotSealed(id) => Told::new(STATE, format!("text of token \"{id:-x}\" was not kept"))
                .detail("It was imported, or issued before its kind kept texts."),
            Error::NoSeal => Told::new(STATE, "there is no key to seal token texts with")
                .hint("Put a line \"seal <id> <64 hexadecimal digits>\" into the file that tokenauth.key_file names, and reload the configuration."),
            Error::SealBroken(id) => Told::new(
                State::ERRCODE_DATA_CORRUPTED,
                format!("sealed text of token \"{id:-x}\" does not open"),
            )
            .detail("It was damaged, or put there from another token.")
            .hint("The token itself works on; revoke it and issue another to have a text that can be revealed."),
            Error::NotPositive(what) => Told::new(INVALID, format!("{what} must be positive")),
            Error::Negative(what) => Told::new(INVALID, format!("{what} must not be negative")),
            Error::NoRevocations => Told::new(INVALID, "revocations are malformed")
                .hint("Pass on what tokenauth.export_revocations() answered."),
            Error::RevocationsVersion => Told::new(INVALID, "revocations are of an unknown version")
                .hint("Update the extension to the version that exported them."),
            Error::Revocation { of, index } => Told::new(INVALID, "revocations are malformed")
                .detail(format!("Element {index} of {of} is not one."))
                .hint("Pass on what tokenauth.export_revocations() answered."),
            Error::NothingSelected => Told::new(ABSENT, "revoke_all selects nothing")
                .hint("Give owner, kind or issued_before; issued_before => now() selects every token issued until now."),
            Error::ActorInactive(actor) => Told::new(DENIED, format!("principal \"{actor}\" is inactive"))
                .detail("An actor must be active."),
            Error::NotAllowed(kind) => Told::new(DENIED, format!("permission denied for tokens of kind \"{kind}\""))
                .detail("The columns issue_permission, manage_permission and self_service of tokenauth.kind say who may do what."),
            Error::NotAllowedFor(owner) => {
                Told::new(DENIED, format!("permission denied for tokens of principal \"{owner}\""))
            }
            Error::NotHeldByActor(what) => Told::new(DENIED, format!("{what} of a token must be held by the actor"))
                .detail("The token would grant more than the actor holds now."),
            Error::OnlyBySameKind(kind) => {
                Told::new(DENIED, format!("token of kind \"{kind}\" can be handed out only by a token of that kind"))
                    .detail("What it grants is not chosen, and may become more than the token presented grants now.")
            }
            Error::MemberOfItself => Told::new(INVALID, "principal cannot be a member of itself"),
            Error::TokenRotated(id) => Told::new(STATE, format!("token \"{id:-x}\" was rotated"))
                .detail("A token has one successor, and its expiry is not raised again.")
                .hint("Rotate its successor; tokenauth.rotation_status() names it."),
            Error::TokenDisabled(id) => {
                Told::new(STATE, format!("token \"{id:-x}\" is disabled")).hint("Use tokenauth.enable() first.")
            }
            Error::Grace => Told::new(INVALID, "grace must not be negative or beyond the year 9999"),
            Error::NotTrusted => Told::new(DENIED, "permission denied for trusted calls")
                .hint("The role needs \"manage\" access; see tokenauth.grant_access()."),
            Error::OtherActor => Told::new(DENIED, "actor must be the identity of the transaction")
                .detail("Who presents a token acts for its owner and for nobody else."),
            Error::UnderIdentity => Told::new(DENIED, "permission denied under an identity")
                .detail("The transaction is authenticated by a token, and no token changes kinds, principals, members, bindings, history or grants.")
                .hint("Call this in a transaction that is not authenticated."),
            Error::IdentityLost => Told::new(DENIED, "permission denied after authentication has failed or ended")
                .detail("What comes after that in the transaction is not taken for the application's own call.")
                .hint("Begin another transaction."),
            Error::NotExtensionOwner => Told::new(DENIED, "must be owner of extension \"tokenauth\""),
            Error::NoSuchAccess => Told::new(INVALID, "access does not exist")
                .hint("Accesses are identity, verify, self, manage, observe and admin."),
            Error::NotAccepted => {
                Told::new(State::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "token is not accepted")
            }
            Error::ScopeNotGranted => Told::new(DENIED, "token does not grant what is required"),
            Error::SecondIdentity => Told::new(
                State::ERRCODE_ACTIVE_SQL_TRANSACTION,
                "transaction cannot be authenticated by another token",
            )
            .detail("It has an identity, or an attempt has failed, or sign_out() was called.")
            .hint("Begin another transaction."),
            Error::InWorker => Told::new(
                State::ERRCODE_INVALID_TRANSACTION_STATE,
                "parallel workers do not know who is authenticated",
            )
            .hint("Declare the functions that ask for it PARALLEL RESTRICTED."),
            Error::KindInUse { kind, column } => {
                Told::new(STATE, format!("{column} of token kind \"{kind}\" cannot be changed"))
                    .detail("The kind has tokens, whose text or validity depends on it.")
                    .hint("Make another kind.")
            }
            Error::KindHasTokens(kind) => Told::new(STATE, format!("token kind \"{kind}\" cannot be deleted"))
                .detail("The kind has tokens; revoked and deleted ones count too."),
            Error::AppendOnly => Told::new(DENIED, "events cannot be changed or removed"),
            Error::TriggerMisuse => Told::new(
                State::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "trigger function was not called by its own trigger",
            ),
            Error::BoundType => Told::new(INVALID, "type does not name a type of principals").detail(
                "The type of a principal is a lower-case letter followed by at most 31 such letters, digits or \"_\".",
            ),
            Error::NotAnExpression(what) => {
                Told::new(State::ERRCODE_SYNTAX_ERROR, format!("{what} is not an SQL expression"))
            }
            Error::TriggerArguments => Told::new(
                State::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "trigger function has the wrong arguments",
            )
            .detail(
                "They are the type of the principals, then expressions for id, active, permissions, data_scopes, \
                 display_name and state_reason; or '', then those for org, member and permissions. '' leaves one out.",
            ),
            Error::TriggerTiming => Told::new(
                State::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "trigger cannot keep principals in step with its table",
            )
            .detail("It must be an AFTER trigger and, for each statement, name its transition tables with REFERENCING."),
            Error::NoSuchTable => Told::new(State::ERRCODE_UNDEFINED_TABLE, "source does not exist"),
            Error::NoSuchColumn(column) => {
                Told::new(State::ERRCODE_UNDEFINED_COLUMN, format!("column \"{column}\" of source does not exist"))
            }
            Error::NoText { column, column_type } => {
                Told::new(State::ERRCODE_DATATYPE_MISMATCH, format!("column \"{column}\" does not hold text"))
                    .detail(format!("It is of type {column_type}."))
                    .hint("Text, JSON, XML, arrays of these and bytea can be scanned; for other types make a view that casts.")
            }
            Error::NotTableOwner(table) => Told::new(DENIED, format!("must be owner of table {table}")),
            Error::CannotBind { table, why } => Told::new(
                State::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("{table} cannot be bound"),
            )
            .detail(why),
            Error::AlreadyBound {
                table,
                to: Some(to),
            } => Told::new(
                State::ERRCODE_DUPLICATE_OBJECT,
                format!("{to} are already bound to table {table}"),
            )
            .hint("Use tokenauth.unbind_principals() first."),
            Error::AlreadyBound {
                table,
                to: None,
            } => Told::new(State::ERRCODE_DUPLICATE_OBJECT, format!("table {table} is already bound"))
                .hint("Use tokenauth.unbind_principals() first."),
            Error::NotBound(table) => Told::new(UNKNOWN, format!("table {table} is not bound")),
            Error::SeveralRows { table, principal, org: None } => Told::new(
                State::ERRCODE_CARDINALITY_VIOLATION,
                format!("several rows of table {table} are principal \"{principal}\""),
            )
            .hint("The expression for id must be unique."),
            Error::SeveralRows { table, principal, org: Some(org) } => Told::new(
                State::ERRCODE_CARDINALITY_VIOLATION,
                format!("several rows of table {table} are member \"{principal}\" of \"{org}\""),
            )
            .hint("The expressions for org and member must be unique together."),
            Error::MembershipsBound(table) => Told::new(STATE, "memberships cannot be changed by hand")
                .detail(format!("They come from table {table}."))
                .hint("Change the rows of that table."),
            Error::SuppliedByBinding {
                field,
                principal_type,
                table,
            } => Told::new(
                STATE,
                format!("{field} of principals of type \"{principal_type}\" cannot be set by hand"),
            )
            .detail(format!("It comes from table {table}."))
            .hint("Change the row of that table."),
            Error::Expression(raised) => Told {
                // pgrx has turned what it does not know, such as an application's own code, into an internal error.
                state: match raised.sql_error_code() {
                    State::ERRCODE_INTERNAL_ERROR => State::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
                    code => code,
                },
                // The server repeats values, and a column may hold what was pasted into it.
                message: masking::masked(raised.message()),
                detail: raised.detail().map(masking::masked),
                hint: raised.hint().map(|hint| Cow::Owned(masking::masked(hint))),
            },
            Error::InBinding { row, why } => {
                let told = why.told();
                let detail: Vec<String> = told.detail.clone().into_iter().chain([row.to_string()]).collect();
                told.detail(detail.join("\n"))
            }
            Error::NotPreloaded(what) => Told::new(STATE, format!("{what} needs tokenauth to be preloaded"))
                .detail("What it is about is kept in shared memory.")
                .hint("Add \"tokenauth\" to shared_preload_libraries and restart the server."),
            Error::NotStandby => Told::new(STATE, "usage is handed out on standbys only")
                .detail("This server writes its usage to tables itself."),
            Error::NotUsage => Told::new(INVALID, "batch is not a batch of usage")
                .hint("Pass on what tokenauth.usage_export() answered."),
            Error::Random => Told::new(State::ERRCODE_IO_ERROR, "could not draw random bytes")
                .detail("The operating system's generator failed; nothing was issued."),
        }
    }
}

impl Error {
    /// The same, met at this row.
    pub fn in_row(self, row: String) -> Self {
        match self {
            Error::InBinding { row: bound, why } => Error::InBinding { row: BoundRow { row: Some(row), ..bound }, why },
            other => other,
        }
    }
}

impl Error {
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
