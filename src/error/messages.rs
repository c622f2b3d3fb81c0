//! The one table of SQLSTATE, message, DETAIL and HINT.

use std::borrow::Cow;

use pgrx::prelude::*;

use super::Error;
use super::literal;
use super::refusal;
use super::told::{Told, sentence};
use crate::pg::report::diagnostics;
use crate::pg::types::encoding;
use crate::token::embedded;

impl Error {
    /// The error in the parts that PostgreSQL reports.
    pub(super) fn told(&self) -> Told {
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
            Error::NoNetworks => Told::new(INVALID, "networks must not be empty")
                .detail("An empty list would not restrict the token.")
                .hint("Leave networks out for a token that may be used from anywhere."),
            Error::TooManyElements { of, most } => Told::new(INVALID, format!("{of} has too many elements"))
                .detail(format!("It may have at most {most} elements.")),
            Error::NoSuchVerdict => Told::new(INVALID, "verdict does not exist")
                .hint("Pass on what tokenauth.verify() answered."),
            Error::NotInstalling => Told::new(STATE, "grants are stripped only by CREATE EXTENSION"),
            Error::DigestLength => Told::new(INVALID, "digest has the wrong length")
                .detail("A SHA-256 digest has 32 bytes, a SHA-512 digest 64."),
            Error::DigestTooLong => Told::new(INVALID, "digest has the wrong length")
                .detail("That of a token with a lookup is its SHA-256, of 32 bytes.")
                .hint("Pass the bytes of the digest, not their hexadecimal text."),
            Error::NoSuchAlgorithm => Told::new(INVALID, "algorithm does not exist")
                .hint("Digests of algorithm \"sha256\" and \"sha512\" can be imported."),
            Error::Digest { algorithm, why } => Told::new(INVALID, why.to_string()).detail(format!(
                "A digest of algorithm \"{algorithm}\" is written as {} hexadecimal digits.",
                2 * algorithm.digest_len()
            )),
            Error::DigestOfNothing => Told::new(INVALID, "digest is not that of a token")
                .detail("It is the digest of an empty text, or of a word such as \"null\"."),
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
            Error::OwnerInactive { owner, table: None } => Told::new(STATE, format!("principal \"{owner}\" is inactive"))
                .hint("Use tokenauth.activate() first."),
            Error::OwnerInactive { owner, table: Some(table) } => {
                Told::new(STATE, format!("principal \"{owner}\" is inactive"))
                    .hint(format!("Change its row of table {table}, which says whether it is active."))
            }
            Error::NameRequired(kind) => Told::new(ABSENT, format!("tokens of kind \"{kind}\" must have a name")),
            Error::LifetimeRequired(kind) => Told::new(ABSENT, format!("tokens of kind \"{kind}\" must expire"))
                .hint("Give expires_in or expires_at."),
            Error::MustExpire(kind) => Told::new(INVALID, format!("tokens of kind \"{kind}\" must expire")),
            Error::Lifetime(column) => Told::new(INVALID, format!("{column} is out of range"))
                .detail("No part of a lifetime may be negative."),
            Error::Permission { of, why } => Told::new(INVALID, format!("{of} is not a scope")).detail(sentence(why)),
            Error::BothExpiries => Told::new(INVALID, "expires_in and expires_at cannot both be given"),
            Error::ExpiryPassed => Told::new(INVALID, "expiry must be in the future"),
            Error::ExpiryBeyondMaximum { kind, latest } => {
                Told::new(INVALID, format!("expiry is later than tokens of kind \"{kind}\" may have"))
                    .detail(format!("It may be {} at the latest.", latest.shown()))
                    .hint("The column max_lifetime of tokenauth.kind says how long they may live.")
            }
            Error::BeyondCalendar(what) => Told::new(INVALID, format!("{what} is out of range"))
                .detail("Points in time lie within the years 1 to 9999."),
            Error::NeverValid => Told::new(INVALID, "not_before must be before the expiry"),
            Error::NotChosen { what, kind } => {
                Told::new(INVALID, format!("{what} cannot be chosen for tokens of kind \"{kind}\""))
                    .detail("Kinds of permission mode \"live\" and \"all\" take everything from elsewhere.")
            }
            // A token that strayed into a list of scopes has the form of one.
            Error::BeyondCeiling { kind, scope } => {
                Told::new(INVALID, format!("scope is beyond the ceiling of kind \"{kind}\""))
                    .detail(format!("It is scope \"{}\".", embedded::masked(scope)))
            }
            Error::ScopeNotHeld(scope) => Told::new(DENIED, "scopes of a token must be held by its owner")
                .detail(format!("Scope \"{}\" is not.", embedded::masked(scope))),
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
            Error::NotPassedOn { kind, why } => refusal::told(kind, *why),
            Error::MemberOfItself => Told::new(INVALID, "principal cannot be a member of itself"),
            Error::TokenRotated(id) => Told::new(STATE, format!("token \"{id:-x}\" was rotated"))
                .detail("A token has one successor, and its expiry is not raised again.")
                .hint("Rotate its successor; tokenauth.rotation_status() names it."),
            Error::TokenDisabled(id) => {
                Told::new(STATE, format!("token \"{id:-x}\" is disabled")).hint("Use tokenauth.enable() first.")
            }
            Error::Grace => Told::new(INVALID, "grace must not be negative or beyond the year 9999"),
            Error::GraceBeyondMaximum { kind, latest } => {
                Told::new(INVALID, format!("grace is longer than tokens of kind \"{kind}\" may have"))
                    .detail(format!("It may end at {} at the latest.", latest.shown()))
                    .hint("The column max_grace of tokenauth.kind says how long it may be.")
            }
            Error::NamelessSuccessor(kind) => {
                Told::new(ABSENT, format!("tokens of kind \"{kind}\" must have a name"))
                    .detail("The token to rotate has none, and its successor would have none either.")
                    .hint("Use tokenauth.edit() first to give it one.")
            }
            Error::MayNotExecute(function) => Told::new(DENIED, format!("permission denied for function {function}")),
            Error::NotTrusted => Told::new(DENIED, "permission denied for trusted calls")
                .hint("The role needs \"manage\" access; see tokenauth.grant_access()."),
            Error::NotAuthenticated => Told::new(DENIED, "permission denied for trusted calls").hint(
                "Authenticate the transaction first; without that, the role needs \"manage\" access, see tokenauth.grant_access().",
            ),
            Error::ActorRequired => Told::new(DENIED, "permission denied without an identity or an actor")
                .detail("The setting tokenauth.require_actor is on for this role.")
                .hint("Authenticate the transaction first, or pass the actor."),
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
            Error::Restricted => {
                Told::new(DENIED, "cannot change the identity of a transaction within security-restricted operation")
                    .detail("The code of an index, of a materialized view or of a bound expression runs in the transaction of somebody else.")
            }
            Error::RestrictedIdentity => {
                Told::new(DENIED, "cannot act by the identity of a transaction within security-restricted operation")
                    .detail("The code of an index, of a materialized view or of a bound expression runs in the transaction of somebody else.")
            }
            Error::InWorker => Told::new(
                State::ERRCODE_INVALID_TRANSACTION_STATE,
                "parallel workers do not know who is authenticated",
            )
            .hint("Declare the functions that ask for it PARALLEL RESTRICTED."),
            Error::InParallel => Told::new(
                State::ERRCODE_INVALID_TRANSACTION_STATE,
                "cannot read the newest state of tokens during a parallel operation",
            )
            .detail("A function that calls one of tokenauth's is not declared PARALLEL UNSAFE."),
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
            Error::DetachedPartition(table) => Told::new(
                State::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                format!("table {table} is no partition of a bound table any more"),
            )
            .detail("The trigger is left over from when it was one.")
            .hint(format!("Use tokenauth.unbind_principals({}) to remove it.", literal(table))),
            Error::NotUnique { table, to } => Told::new(
                State::ERRCODE_WARNING,
                format!("no unique index of table {table} covers its {}", to.identity()),
            )
            .detail("Whoever writes a second row with the same values overrides the first.")
            .hint("Create a unique index on what the expressions consist of."),
            Error::Rowless { table, to, count, named } => {
                let some = if i64::try_from(named.len()) == Ok(*count) { "They are" } else { "Among them are" };
                Told::new(State::ERRCODE_WARNING, format!("{to} without a row in table {table}: {count}"))
                    .detail(format!("{some} {}.", named.join(", ")))
                    .hint(format!("They stay as they are. Use tokenauth.sync_principals({}) to end them.", literal(table)))
            }
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
                // pgrx turns an SQLSTATE that it does not know, such as an application's own, into an internal error.
                state: match raised.sql_error_code() {
                    State::ERRCODE_INTERNAL_ERROR => State::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
                    code => code,
                },
                // The server repeats values, and somebody may have pasted a token into a column.
                message: embedded::masked(&original(raised.message())),
                detail: raised.detail().map(embedded::masked),
                hint: raised.hint().map(|hint| Cow::Owned(embedded::masked(hint))),
            },
            Error::InBinding { row, why } => {
                let told = why.told();
                let detail: Vec<String> = told.detail.clone().into_iter().chain([row.to_string()]).collect();
                told.detail(detail.join("\n"))
            }
            Error::NotPreloaded(what) => Told::new(STATE, format!("{what} needs tokenauth to be preloaded"))
                .detail("What it is about is kept in shared memory.")
                .hint("Add \"tokenauth\" to shared_preload_libraries and restart the server."),
            Error::BehindPrimary { behind, most } => {
                let replayed = match behind {
                    None => "No transaction has been replayed since the server was started".to_owned(),
                    Some(behind) => format!("The last transaction replayed was committed {} ms ago", behind.as_millis()),
                };
                Told::new(STATE, "standby is too far behind its primary to verify tokens")
                    .detail(format!("{replayed}; tokenauth.max_staleness allows {} ms.", most.as_millis()))
                    .hint("Ask the primary, or try again when replay has caught up. On an idle primary something has to commit now and then.")
            }
            Error::NotStandby => Told::new(STATE, "usage is handed out on standbys only")
                .detail("This server writes its usage to tables itself."),
            Error::NotUsage => Told::new(INVALID, "batch is not a batch of usage")
                .hint("Pass on what tokenauth.usage_export() answered."),
            Error::Random => Told::new(State::ERRCODE_IO_ERROR, "could not draw random bytes")
                .detail("The operating system's generator failed; nothing was issued."),
        }
    }
}

/// A message of the server, which pgrx passes on as if it were UTF-8.
fn original(message: &str) -> Cow<'_, str> {
    match diagnostics::original(message).filter(|_| !encoding::is_utf8()) {
        Some(whole) => Cow::Owned(encoding::told(&whole)),
        None => Cow::Borrowed(message),
    }
}
