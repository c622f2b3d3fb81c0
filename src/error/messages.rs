//! The one table of SQLSTATE, message, DETAIL and HINT.

use std::borrow::Cow;

use pgrx::prelude::*;

use super::Error;
use super::literal;
use super::refusal;
use super::told::{ErrorParts, sentence};
use crate::pg::report::diagnostics;
use crate::pg::types::encoding;
use crate::token::embedded;

impl Error {
    /// The error in the parts that PostgreSQL reports.
    pub(super) fn told(&self) -> ErrorParts {
        use PgSqlErrorCode as State;
        const ABSENT: State = State::ERRCODE_NULL_VALUE_NOT_ALLOWED;
        const INVALID: State = State::ERRCODE_INVALID_PARAMETER_VALUE;
        const UNKNOWN: State = State::ERRCODE_UNDEFINED_OBJECT;
        const DENIED: State = State::ERRCODE_INSUFFICIENT_PRIVILEGE;
        const STATE: State = State::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
        match self {
            Error::Absent(what) => ErrorParts::new(ABSENT, format!("{what} must not be null")),
            Error::AbsentElement { of, index } => {
                ErrorParts::new(ABSENT, format!("element {index} of {of} must not be null"))
            }
            Error::Nested(what) => ErrorParts::new(INVALID, format!("{what} must be a one-dimensional array")),
            Error::TooLong { what, most } => {
                ErrorParts::new(INVALID, format!("{what} is too long")).detail(format!("It may have at most {most} bytes."))
            }
            Error::Principal { what, why } => {
                ErrorParts::new(INVALID, format!("{what} does not name a principal")).detail(sentence(why))
            }
            Error::PrincipalType { index } => {
                ErrorParts::new(INVALID, format!("element {index} of owner_types does not name a type of principals")).detail(
                    "The type of a principal is a lower-case letter followed by at most 31 such letters, digits or \"_\".",
                )
            }
            Error::Scopes { of, why } => ErrorParts::new(INVALID, format!("{of} is not a list of scopes"))
                .detail(sentence(why))
                .hint("A scope has one to four segments of letters, digits, \"_\", \".\", \"/\" and \"-\", joined by \":\"; a segment may be \"*\"."),
            Error::DataScopes(why) => ErrorParts::new(INVALID, "data_scopes is malformed")
                .detail(sentence(why))
                .hint("Data scopes look like {\"site\": [\"nyc\", \"lon\"]}."),
            Error::Network { index, why } => {
                ErrorParts::new(INVALID, format!("element {index} of networks is not a network")).detail(sentence(why))
            }
            Error::NoNetworks => ErrorParts::new(INVALID, "networks must not be empty")
                .detail("An empty list would not restrict the token.")
                .hint("Leave networks out for a token that may be used from anywhere."),
            Error::TooManyElements { of, most } => ErrorParts::new(INVALID, format!("{of} has too many elements"))
                .detail(format!("It may have at most {most} elements.")),
            Error::NoSuchVerdict => ErrorParts::new(INVALID, "verdict does not exist")
                .hint("Pass on what tokenauth.verify() answered."),
            Error::NotInstalling => ErrorParts::new(STATE, "grants are stripped only by CREATE EXTENSION"),
            Error::DigestLength => ErrorParts::new(INVALID, "digest has the wrong length")
                .detail("A SHA-256 digest has 32 bytes, a SHA-512 digest 64."),
            Error::DigestTooLong => ErrorParts::new(INVALID, "digest has the wrong length")
                .detail("That of a token with a lookup is its SHA-256, of 32 bytes.")
                .hint("Pass the bytes of the digest, not their hexadecimal text."),
            Error::NoSuchAlgorithm => ErrorParts::new(INVALID, "algorithm does not exist")
                .hint("Digests of algorithm \"sha256\" and \"sha512\" can be imported."),
            Error::Digest { algorithm, why } => ErrorParts::new(INVALID, why.to_string()).detail(format!(
                "A digest of algorithm \"{algorithm}\" is written as {} hexadecimal digits.",
                2 * algorithm.digest_len()
            )),
            Error::DigestOfNothing => ErrorParts::new(INVALID, "digest is not that of a token")
                .detail("It is the digest of an empty text, or of a word such as \"null\"."),
            Error::DigestKnown => ErrorParts::new(State::ERRCODE_DUPLICATE_OBJECT, "token with this digest already exists")
                .hint("It was imported before; revoked and deleted tokens keep their digests."),
            Error::HintIsToken => ErrorParts::new(INVALID, "hint must not be the token itself")
                .detail("Lists and events show hints."),
            Error::CreatedLater => ErrorParts::new(INVALID, "created_at must not be in the future"),
            Error::Metadata => ErrorParts::new(INVALID, "metadata must be a JSON object"),
            Error::NoSuchKind(kind) => ErrorParts::new(UNKNOWN, format!("token kind \"{kind}\" does not exist"))
                .hint("Kinds are rows of the table tokenauth.kind."),
            Error::NoSuchPrincipal(principal) => ErrorParts::new(UNKNOWN, format!("principal \"{principal}\" does not exist"))
                .hint("Use tokenauth.put_principal() or tokenauth.bind_principals() to make it known."),
            Error::NoSuchToken(id) => ErrorParts::new(UNKNOWN, format!("token \"{id:-x}\" does not exist")),
            Error::OwnerType { kind, owner_type } => ErrorParts::new(
                INVALID,
                format!("principals of type \"{owner_type}\" cannot own tokens of kind \"{kind}\""),
            )
            .hint("The column owner_types of tokenauth.kind lists the types that can."),
            Error::OwnerInactive { owner, table: None } => ErrorParts::new(STATE, format!("principal \"{owner}\" is inactive"))
                .hint("Use tokenauth.activate() first."),
            Error::OwnerInactive { owner, table: Some(table) } => {
                ErrorParts::new(STATE, format!("principal \"{owner}\" is inactive"))
                    .hint(format!("Change its row of table {table}, which says whether it is active."))
            }
            Error::NameRequired(kind) => ErrorParts::new(ABSENT, format!("tokens of kind \"{kind}\" must have a name")),
            Error::LifetimeRequired(kind) => ErrorParts::new(ABSENT, format!("tokens of kind \"{kind}\" must expire"))
                .hint("Give expires_in or expires_at."),
            Error::MustExpire(kind) => ErrorParts::new(INVALID, format!("tokens of kind \"{kind}\" must expire")),
            Error::Lifetime(column) => ErrorParts::new(INVALID, format!("{column} is out of range"))
                .detail("No part of a lifetime may be negative."),
            Error::Permission { of, why } => ErrorParts::new(INVALID, format!("{of} is not a scope")).detail(sentence(why)),
            Error::BothExpiries => ErrorParts::new(INVALID, "expires_in and expires_at cannot both be given"),
            Error::ExpiryPassed => ErrorParts::new(INVALID, "expiry must be in the future"),
            Error::ExpiryBeyondMaximum { kind, latest } => {
                ErrorParts::new(INVALID, format!("expiry is later than tokens of kind \"{kind}\" may have"))
                    .detail(format!("It may be {} at the latest.", latest.shown()))
                    .hint("The column max_lifetime of tokenauth.kind says how long they may live.")
            }
            Error::BeyondCalendar(what) => ErrorParts::new(INVALID, format!("{what} is out of range"))
                .detail("Points in time lie within the years 1 to 9999."),
            Error::NeverValid => ErrorParts::new(INVALID, "not_before must be before the expiry"),
            Error::NotChosen { what, kind } => {
                ErrorParts::new(INVALID, format!("{what} cannot be chosen for tokens of kind \"{kind}\""))
                    .detail("Kinds of permission mode \"live\" and \"all\" take everything from elsewhere.")
            }
            // A token that strayed into a list of scopes has the form of one.
            Error::BeyondCeiling { kind, scope } => {
                ErrorParts::new(INVALID, format!("scope is beyond the ceiling of kind \"{kind}\""))
                    .detail(format!("It is scope \"{}\".", embedded::masked(scope)))
            }
            Error::ScopeNotHeld(scope) => ErrorParts::new(DENIED, "scopes of a token must be held by its owner")
                .detail(format!("Scope \"{}\" is not.", embedded::masked(scope))),
            Error::NotHeld(what) => ErrorParts::new(DENIED, format!("{what} of a token must be held by its owner"))
                .detail("The token would grant more than its owner holds now."),
            Error::TooManyActive { kind, most } => ErrorParts::new(
                State::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!("owner has reached the limit for tokens of kind \"{kind}\""),
            )
            .detail(format!("At most {most} may be alive at once."))
            .hint("Revoke one first; max_active_per_owner of the kind is the limit."),
            Error::KeyFile(fault) => ErrorParts::new(STATE, "key file cannot be used")
                .detail(sentence(fault))
                .hint("The setting tokenauth.key_file names it; put it right and reload the configuration."),
            Error::KeyMissing(id) => ErrorParts::new(STATE, format!("key \"{id}\" is not in the key file"))
                .detail("There are tokens that need it.")
                .hint("Put its line back into the file that tokenauth.key_file names, and reload the configuration."),
            Error::KeyWrong(id) => ErrorParts::new(STATE, format!("key \"{id}\" in the key file is not the key of that name"))
                .detail("Its check value is not the one in the table tokenauth.key.")
                .hint("Restore its line from a backup, or give another key another name."),
            Error::TokenRevoked(id) => ErrorParts::new(STATE, format!("token \"{id:-x}\" is revoked"))
                .hint("A revoked token cannot be brought back; issue another."),
            Error::TokenExpired(id) => ErrorParts::new(STATE, format!("token \"{id:-x}\" is expired"))
                .hint("Delete it and issue another."),
            Error::TokenNotYetValid(id) => ErrorParts::new(STATE, format!("token \"{id:-x}\" is not valid yet")),
            Error::KindClosed(kind) => ErrorParts::new(STATE, format!("token kind \"{kind}\" is closed"))
                .detail("No new tokens of it are made; the column closed of tokenauth.kind says so."),
            Error::KindDoesNotReveal(kind) => {
                ErrorParts::new(STATE, format!("tokens of kind \"{kind}\" cannot be revealed"))
                    .detail("Their texts are not kept; the column reveal of tokenauth.kind says so.")
            }
            Error::NotSealed(id) => ErrorParts::new(STATE, format!("text of token \"{id:-x}\" was not kept"))
                .detail("It was imported, or issued before its kind kept texts."),
            Error::NoSeal => ErrorParts::new(STATE, "there is no key to seal token texts with")
                .hint("Put a line \"seal <id> <64 hexadecimal digits>\" into the file that tokenauth.key_file names, and reload the configuration."),
            Error::SealBroken(id) => ErrorParts::new(
                State::ERRCODE_DATA_CORRUPTED,
                format!("sealed text of token \"{id:-x}\" does not open"),
            )
            .detail("It was damaged, or put there from another token.")
            .hint("The token itself works on; revoke it and issue another to have a text that can be revealed."),
            Error::NotPositive(what) => ErrorParts::new(INVALID, format!("{what} must be positive")),
            Error::Negative(what) => ErrorParts::new(INVALID, format!("{what} must not be negative")),
            Error::NoRevocations => ErrorParts::new(INVALID, "revocations are malformed")
                .hint("Pass on what tokenauth.export_revocations() answered."),
            Error::RevocationsVersion => ErrorParts::new(INVALID, "revocations are of an unknown version")
                .hint("Update the extension to the version that exported them."),
            Error::Revocation { of, index } => ErrorParts::new(INVALID, "revocations are malformed")
                .detail(format!("Element {index} of {of} is not one."))
                .hint("Pass on what tokenauth.export_revocations() answered."),
            Error::NothingSelected => ErrorParts::new(ABSENT, "revoke_all selects nothing")
                .hint("Give owner, kind or issued_before; issued_before => now() selects every token issued until now."),
            Error::ActorInactive(actor) => ErrorParts::new(DENIED, format!("principal \"{actor}\" is inactive"))
                .detail("An actor must be active."),
            Error::NotAllowed(kind) => ErrorParts::new(DENIED, format!("permission denied for tokens of kind \"{kind}\""))
                .detail("The columns issue_permission, manage_permission and self_service of tokenauth.kind say who may do what."),
            Error::NotAllowedFor(owner) => {
                ErrorParts::new(DENIED, format!("permission denied for tokens of principal \"{owner}\""))
            }
            Error::NotPassedOn { kind, why } => refusal::told(kind, *why),
            Error::MemberOfItself => ErrorParts::new(INVALID, "principal cannot be a member of itself"),
            Error::TokenRotated(id) => ErrorParts::new(STATE, format!("token \"{id:-x}\" was rotated"))
                .detail("A token has one successor, and its expiry is not raised again.")
                .hint("Rotate its successor; tokenauth.rotation_status() names it."),
            Error::TokenDisabled(id) => {
                ErrorParts::new(STATE, format!("token \"{id:-x}\" is disabled")).hint("Use tokenauth.enable() first.")
            }
            Error::Grace => ErrorParts::new(INVALID, "grace must not be negative or beyond the year 9999"),
            Error::GraceBeyondMaximum { kind, latest } => {
                ErrorParts::new(INVALID, format!("grace is longer than tokens of kind \"{kind}\" may have"))
                    .detail(format!("It may end at {} at the latest.", latest.shown()))
                    .hint("The column max_grace of tokenauth.kind says how long it may be.")
            }
            Error::NamelessSuccessor(kind) => {
                ErrorParts::new(ABSENT, format!("tokens of kind \"{kind}\" must have a name"))
                    .detail("The token to rotate has none, and its successor would have none either.")
                    .hint("Use tokenauth.edit() first to give it one.")
            }
            Error::MayNotExecute(function) => ErrorParts::new(DENIED, format!("permission denied for function {function}")),
            Error::NotTrusted => ErrorParts::new(DENIED, "permission denied for trusted calls")
                .hint("The role needs \"manage\" access; see tokenauth.grant_access()."),
            Error::NotAuthenticated => ErrorParts::new(DENIED, "permission denied for trusted calls").hint(
                "Authenticate the transaction first; without that, the role needs \"manage\" access, see tokenauth.grant_access().",
            ),
            Error::ActorRequired => ErrorParts::new(DENIED, "permission denied without an identity or an actor")
                .detail("The setting tokenauth.require_actor is on for this role.")
                .hint("Authenticate the transaction first, or pass the actor."),
            Error::OtherActor => ErrorParts::new(DENIED, "actor must be the identity of the transaction")
                .detail("Who presents a token acts for its owner and for nobody else."),
            Error::UnderIdentity => ErrorParts::new(DENIED, "permission denied under an identity")
                .detail("The transaction is authenticated by a token, and no token changes kinds, principals, members, bindings, history or grants.")
                .hint("Call this in a transaction that is not authenticated."),
            Error::IdentityLost => ErrorParts::new(DENIED, "permission denied after authentication has failed or ended")
                .detail("What comes after that in the transaction is not taken for the application's own call.")
                .hint("Begin another transaction."),
            Error::NotExtensionOwner => ErrorParts::new(DENIED, "must be owner of extension \"tokenauth\""),
            Error::NoSuchAccess => ErrorParts::new(INVALID, "access does not exist")
                .hint("Accesses are identity, verify, self, manage, observe and admin."),
            Error::NotAccepted => {
                ErrorParts::new(State::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "token is not accepted")
            }
            Error::ScopeNotGranted => ErrorParts::new(DENIED, "token does not grant what is required"),
            Error::SecondIdentity => ErrorParts::new(
                State::ERRCODE_ACTIVE_SQL_TRANSACTION,
                "transaction cannot be authenticated by another token",
            )
            .detail("It has an identity, or an attempt has failed, or sign_out() was called.")
            .hint("Begin another transaction."),
            Error::Restricted => {
                ErrorParts::new(DENIED, "cannot change the identity of a transaction within security-restricted operation")
                    .detail("The code of an index, of a materialized view or of a bound expression runs in the transaction of somebody else.")
            }
            Error::RestrictedIdentity => {
                ErrorParts::new(DENIED, "cannot act by the identity of a transaction within security-restricted operation")
                    .detail("The code of an index, of a materialized view or of a bound expression runs in the transaction of somebody else.")
            }
            Error::InWorker => ErrorParts::new(
                State::ERRCODE_INVALID_TRANSACTION_STATE,
                "parallel workers do not know who is authenticated",
            )
            .hint("Declare the functions that ask for it PARALLEL RESTRICTED."),
            Error::InParallel => ErrorParts::new(
                State::ERRCODE_INVALID_TRANSACTION_STATE,
                "cannot read the newest state of tokens during a parallel operation",
            )
            .detail("A function that calls one of tokenauth's is not declared PARALLEL UNSAFE."),
            Error::KindInUse { kind, column } => {
                ErrorParts::new(STATE, format!("{column} of token kind \"{kind}\" cannot be changed"))
                    .detail("The kind has tokens, whose text or validity depends on it.")
                    .hint("Make another kind.")
            }
            Error::KindHasTokens(kind) => ErrorParts::new(STATE, format!("token kind \"{kind}\" cannot be deleted"))
                .detail("The kind has tokens; revoked and deleted ones count too."),
            Error::AppendOnly => ErrorParts::new(DENIED, "events cannot be changed or removed"),
            Error::TriggerMisuse => ErrorParts::new(
                State::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "trigger function was not called by its own trigger",
            ),
            Error::BoundType => ErrorParts::new(INVALID, "type does not name a type of principals").detail(
                "The type of a principal is a lower-case letter followed by at most 31 such letters, digits or \"_\".",
            ),
            Error::NotAnExpression(what) => {
                ErrorParts::new(State::ERRCODE_SYNTAX_ERROR, format!("{what} is not an SQL expression"))
            }
            Error::TriggerArguments => ErrorParts::new(
                State::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "trigger function has the wrong arguments",
            )
            .detail(
                "They are the type of the principals, then expressions for id, active, permissions, data_scopes, \
                 display_name and state_reason; or '', then those for org, member and permissions. '' leaves one out.",
            ),
            Error::TriggerTiming => ErrorParts::new(
                State::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "trigger cannot keep principals in step with its table",
            )
            .detail("It must be an AFTER trigger and, for each statement, name its transition tables with REFERENCING."),
            Error::NoSuchTable => ErrorParts::new(State::ERRCODE_UNDEFINED_TABLE, "source does not exist"),
            Error::NoSuchColumn(column) => {
                ErrorParts::new(State::ERRCODE_UNDEFINED_COLUMN, format!("column \"{column}\" of source does not exist"))
            }
            Error::NoText { column, column_type } => {
                ErrorParts::new(State::ERRCODE_DATATYPE_MISMATCH, format!("column \"{column}\" does not hold text"))
                    .detail(format!("It is of type {column_type}."))
                    .hint("Text, JSON, XML, arrays of these and bytea can be scanned; for other types make a view that casts.")
            }
            Error::NotTableOwner(table) => ErrorParts::new(DENIED, format!("must be owner of table {table}")),
            Error::CannotBind { table, why } => ErrorParts::new(
                State::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("{table} cannot be bound"),
            )
            .detail(why),
            Error::AlreadyBound {
                table,
                to: Some(to),
            } => ErrorParts::new(
                State::ERRCODE_DUPLICATE_OBJECT,
                format!("{to} are already bound to table {table}"),
            )
            .hint("Use tokenauth.unbind_principals() first."),
            Error::AlreadyBound {
                table,
                to: None,
            } => ErrorParts::new(State::ERRCODE_DUPLICATE_OBJECT, format!("table {table} is already bound"))
                .hint("Use tokenauth.unbind_principals() first."),
            Error::NotBound(table) => ErrorParts::new(UNKNOWN, format!("table {table} is not bound")),
            Error::DetachedPartition(table) => ErrorParts::new(
                State::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                format!("table {table} is no partition of a bound table any more"),
            )
            .detail("The trigger is left over from when it was one.")
            .hint(format!("Use tokenauth.unbind_principals({}) to remove it.", literal(table))),
            Error::NotUnique { table, to } => ErrorParts::new(
                State::ERRCODE_WARNING,
                format!("no unique index of table {table} covers its {}", to.identity()),
            )
            .detail("Whoever writes a second row with the same values overrides the first.")
            .hint("Create a unique index on what the expressions consist of."),
            Error::Rowless { table, to, count, named } => {
                let some = if i64::try_from(named.len()) == Ok(*count) { "They are" } else { "Among them are" };
                ErrorParts::new(State::ERRCODE_WARNING, format!("{to} without a row in table {table}: {count}"))
                    .detail(format!("{some} {}.", named.join(", ")))
                    .hint(format!("They stay as they are. Use tokenauth.sync_principals({}) to end them.", literal(table)))
            }
            Error::SeveralRows { table, principal, org: None } => ErrorParts::new(
                State::ERRCODE_CARDINALITY_VIOLATION,
                format!("several rows of table {table} are principal \"{principal}\""),
            )
            .hint("The expression for id must be unique."),
            Error::SeveralRows { table, principal, org: Some(org) } => ErrorParts::new(
                State::ERRCODE_CARDINALITY_VIOLATION,
                format!("several rows of table {table} are member \"{principal}\" of \"{org}\""),
            )
            .hint("The expressions for org and member must be unique together."),
            Error::MembershipsBound(table) => ErrorParts::new(STATE, "memberships cannot be changed by hand")
                .detail(format!("They come from table {table}."))
                .hint("Change the rows of that table."),
            Error::SuppliedByBinding {
                field,
                principal_type,
                table,
            } => ErrorParts::new(
                STATE,
                format!("{field} of principals of type \"{principal_type}\" cannot be set by hand"),
            )
            .detail(format!("It comes from table {table}."))
            .hint("Change the row of that table."),
            Error::Expression(raised) => ErrorParts {
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
            Error::NotPreloaded(what) => ErrorParts::new(STATE, format!("{what} needs tokenauth to be preloaded"))
                .detail("What it is about is kept in shared memory.")
                .hint("Add \"tokenauth\" to shared_preload_libraries and restart the server."),
            Error::BehindPrimary { behind, most } => {
                let replayed = match behind {
                    None => "No transaction has been replayed since the server was started".to_owned(),
                    Some(behind) => format!("The last transaction replayed was committed {} ms ago", behind.as_millis()),
                };
                ErrorParts::new(STATE, "standby is too far behind its primary to verify tokens")
                    .detail(format!("{replayed}; tokenauth.max_staleness allows {} ms.", most.as_millis()))
                    .hint("Ask the primary, or try again when replay has caught up. On an idle primary something has to commit now and then.")
            }
            Error::NotStandby => ErrorParts::new(STATE, "usage is handed out on standbys only")
                .detail("This server writes its usage to tables itself."),
            Error::NotUsage => ErrorParts::new(INVALID, "batch is not a batch of usage")
                .hint("Pass on what tokenauth.usage_export() answered."),
            Error::Random => ErrorParts::new(State::ERRCODE_IO_ERROR, "could not draw random bytes")
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
