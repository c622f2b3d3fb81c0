//! What is wrong with a binding, and what a bound expression raised.

use std::borrow::Cow;

use pgrx::PgSqlErrorCode;

use super::parts::ErrorParts;
use super::{ErrorReportWithLevel, literal};
use crate::model::bound_to::BoundTo;
use crate::pg::report::diagnostics;
use crate::pg::types::encoding;
use crate::token::pasted;

/// A binding cannot be made, or cannot follow its table.
#[derive(Debug)]
pub enum BindingError {
    /// An argument is not exactly one expression.
    NotAnExpression(&'static str),
    /// The arguments of a hand-written trigger do not make a binding.
    TriggerArguments,
    /// A hand-written trigger fires at a time or level at which it does not get the rows it needs.
    TriggerTiming,
    /// A trigger that DETACH PARTITION has left on a table that is no partition of a bound one any more.
    DetachedPartition(String),
    /// Several rows are the same principal, or the same member of an organisation.
    SeveralRows { table: String, principal: String, org: Option<String> },
    /// An error that a bound expression raised.
    Expression(Box<ErrorReportWithLevel>),
    /// A warning: no unique index covers what a row of the table is.
    NotUnique { table: String, to: BoundTo },
    /// A warning: principals or memberships without a row in the table that has just been bound to them.
    Rowless { table: String, to: BoundTo, count: i64, named: Vec<String> },
}

impl BindingError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NotAnExpression(what) => {
                ErrorParts::new(PgSqlErrorCode::ERRCODE_SYNTAX_ERROR, format!("{what} is not an SQL expression"))
            }
            Self::TriggerArguments => wrong_trigger("trigger function has the wrong arguments").detail(
                "They are the type of the principals, then expressions for id, active, permissions, data_scopes, \
                 display_name and state_reason; or '', then those for org, member and permissions. '' leaves one out.",
            ),
            Self::TriggerTiming => wrong_trigger("trigger cannot keep principals in step with its table").detail(
                "It must be an AFTER trigger and, for each statement, name its transition tables with REFERENCING.",
            ),
            Self::DetachedPartition(table) => {
                wrong_trigger(format!("table {table} is no partition of a bound table any more"))
                    .detail("The trigger is left over from when it was one.")
                    .hint(format!("Use tokenauth.unbind_principals({}) to remove it.", literal(table)))
            }
            Self::SeveralRows { table, principal, org } => several_rows(table, principal, org.as_deref()),
            Self::Expression(raised) => raised_by_expression(raised),
            Self::NotUnique { table, to } => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_WARNING,
                format!("no unique index of table {table} covers its {}", to.identity()),
            )
            .detail("Whoever writes a second row with the same values overrides the first.")
            .hint("Create a unique index on what the expressions consist of."),
            Self::Rowless { table, to, count, named } => {
                let some = if i64::try_from(named.len()) == Ok(*count) { "They are" } else { "Among them are" };
                ErrorParts::new(
                    PgSqlErrorCode::ERRCODE_WARNING,
                    format!("{to} without a row in table {table}: {count}"),
                )
                .detail(format!("{some} {}.", named.join(", ")))
                .hint(format!("They stay as they are. Use tokenauth.sync_principals({}) to end them.", literal(table)))
            }
        }
    }
}

fn wrong_trigger(message: impl Into<String>) -> ErrorParts {
    ErrorParts::new(PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, message)
}

fn several_rows(table: &str, principal: &str, org: Option<&str>) -> ErrorParts {
    let several = |are: String| {
        ErrorParts::new(
            PgSqlErrorCode::ERRCODE_CARDINALITY_VIOLATION,
            format!("several rows of table {table} are {are}"),
        )
    };
    match org {
        None => several(format!("principal \"{principal}\"")).hint("The expression for id must be unique."),
        Some(org) => several(format!("member \"{principal}\" of \"{org}\""))
            .hint("The expressions for org and member must be unique together."),
    }
}

fn raised_by_expression(raised: &ErrorReportWithLevel) -> ErrorParts {
    ErrorParts {
        // pgrx turns an SQLSTATE that it does not know, such as an application's own, into an internal error.
        state: match raised.sql_error_code() {
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR => PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
            code => code,
        },
        // The server repeats values, and somebody may have pasted a token into a column.
        message: pasted::masked(&original(raised.message())),
        detail: raised.detail().map(pasted::masked),
        hint: raised.hint().map(|hint| Cow::Owned(pasted::masked(hint))),
    }
}

/// A message of the server, which pgrx passes on as if it were UTF-8.
fn original(message: &str) -> Cow<'_, str> {
    match diagnostics::original(message).filter(|_| !encoding::is_utf8()) {
        Some(whole) => Cow::Owned(encoding::to_utf8_lossy(&whole)),
        None => Cow::Borrowed(message),
    }
}
