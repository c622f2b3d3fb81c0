//! `bind_principals`, `bind_members` and `unbind_principals`.

use std::ffi::CStr;
use std::iter;

use pgrx::prelude::*;

use super::changes::{How, Rowless, record_unbound};
use super::definition::Definition;
use super::evaluation::settled;
use super::source::Source;
use super::sync::copy;
use super::{installed, lock, triggers, unique};
use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::binding::{forget, record, recorded};
use crate::error::{BindingError, Error, ErrorReport, TableError};
use crate::pg::function::call::Call;
use crate::pg::report::diagnostics;
use crate::pg::scan::relation::{Out, Supply, Table, lock_bindings};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::types::text::Text;

/// Keeps principals in step with the rows of a table from now on; returns how many were copied.
///
/// Each text is an SQL expression over a row of the table, such as `is_active AND NOT banned`; what is left out is set
/// by hand. Expressions run with `search_path = pg_catalog, pg_temp`, so functions and tables need their schema. NULL
/// from a given expression never widens: the principal is inactive, permissions are none, data scopes allow nothing.
/// Deactivation and token death become one transaction; DELETE, TRUNCATE and a changed id drop the principal.
///
/// A WARNING names principals of the type without a row, which stay as they are, and another is given where no unique
/// index covers the id: a second row with the same id would override the first. A NOTICE tells of each million of rows,
/// and of their number before it is written.
///
/// # Arguments
/// - `source`: the table
/// - `type`: the type of its principals
/// - `id`: gives the id of a row's principal
/// - `active`: gives whether it is active
/// - `permissions`: gives its permissions, a `text[]`
/// - `data_scopes`: gives its data scopes, a `jsonb`
/// - `display_name`: gives what people read
/// - `state_reason`: gives why it is inactive
///
/// # Errors
/// `22004` for a NULL source, type or id, or a row whose id is NULL; `22023` for an expression, an id or the name of a
/// table with a token in it; `42501` for anybody but the owner of the table; `42601` for what is not an expression;
/// `42710` when the type or the table is bound already; `0A000` for views, foreign, temporary and unlogged tables,
/// partitions and inheritance; `21000` when several rows are the same principal.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.bind_principals('customer', 'customer', 'id::text',
///     active => 'is_active', permissions => 'roles');
/// SELECT token AS key FROM tokenauth.issue('api', 'customer:7') \gset
/// UPDATE customer SET is_active = false WHERE id = 7;
/// SELECT verdict FROM tokenauth.verify(:'key');
/// ```
#[expect(clippy::too_many_arguments, reason = "the contract's signature; SQL calls it with named arguments")]
// Written by hand, since pgrx would call the second argument "r#type".
#[pg_extern(
    schema = "tokenauth",
    sql = r#"
CREATE FUNCTION tokenauth.bind_principals(
    source regclass,
    type text,
    id text,
    active text DEFAULT NULL,
    permissions text DEFAULT NULL,
    data_scopes text DEFAULT NULL,
    display_name text DEFAULT NULL,
    state_reason text DEFAULT NULL
) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'bind_principals_wrapper';
"#
)]
fn bind_principals(
    call: Call,
    source: Option<Table>,
    principal_type: Option<Text>,
    id: Option<Text>,
    active: Option<Text>,
    permissions: Option<Text>,
    data_scopes: Option<Text>,
    display_name: Option<Text>,
    state_reason: Option<Text>,
) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    Actor::application(caller)?;
    let fields = [active, permissions, data_scopes, display_name, state_reason];
    bind(source, c"bind_principals()", || Definition::new(principal_type, id, fields))
}

/// Keeps memberships in step with the rows of a table from now on; returns how many were copied.
///
/// Each text is an SQL expression over a row of the table, as for `bind_principals`; `org` and `member` yield whole
/// principals, such as `'org:' || org_id`, which must exist before the row does. If `permissions` yields NULL, there
/// are none; left out, `add_member` sets them. What a row gives or takes is in force from the end of the statement.
///
/// # Arguments
/// - `source`: the table
/// - `org`: gives the organisation
/// - `member`: gives the member
/// - `permissions`: gives what the member holds there, a `text[]`
///
/// # Errors
/// As `bind_principals`; also `22004` for a NULL source, organisation or member, also in a row; `42704` for a row of
/// an unknown organisation or member; `22023` for a row whose organisation is the member; `21000` when several rows
/// are the same membership; `42710` when memberships or the table are bound already.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// CREATE TABLE membership (org text, member int, roles text[], PRIMARY KEY (org, member));
/// INSERT INTO membership VALUES ('acme', 42, '{reports:read}');
/// SELECT tokenauth.bind_members('membership', $$'org:' || org$$, $$'user:' || member$$,
///     permissions => 'roles');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn bind_members(
    call: Call,
    source: Option<Table>,
    org: Option<Text>,
    member: Option<Text>,
    permissions: default!(Option<Text>, "NULL"),
) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    Actor::application(caller)?;
    bind(source, c"bind_members()", || Definition::of_memberships(org, member, permissions))
}

fn bind(
    source: Option<Table>,
    command: &'static CStr,
    define: impl FnOnce() -> Result<Definition, Error>,
) -> Result<i64, ErrorReport> {
    // Even whether a text is an expression may depend on settings.
    let _settled = settled();
    let definition = define()?;
    definition.refuse_tokens()?;
    let source = Source::bindable(source, command, |source| installed::lock_to_replace(source, &definition))?;
    arguments::refuse_tokens("source", iter::once(source.qualified.as_bytes()))?;
    lock_bindings();
    lock(definition.to(), Supply::Bind);
    refuse_second(&source, &definition)?;
    // What an earlier binding may have left over.
    installed::drop(&source);
    installed::install(&source, &definition);
    let to = definition.to().clone();
    let changes = {
        let _owner = ActingAs::owner_of(source.table.oid());
        copy(definition.clone(), &source)?
    };
    let is_unique = unique::is_unique(&definition, &source);
    let (copied, rowless) = (changes.rows(), changes.rowless());
    changes.apply(How::Bound, &source.qualified)?;
    record(&source.qualified, &to);
    let table = source.qualified.shown();
    if !is_unique {
        warn(BindingError::NotUnique { table: table.clone(), to: to.clone() });
    }
    if let Rowless { count: 1.., named } = rowless {
        warn(BindingError::Rowless { table, to, count: rowless.count, named });
    }
    Ok(copied)
}

fn warn(about: BindingError) {
    ErrorReport::from(about).report(PgLogLevel::WARNING);
    diagnostics::clear_next();
}

/// Checks that neither the table, nor its type or memberships, are bound already.
///
/// # Errors
/// 42710 when one of them is.
fn refuse_second(source: &Source, definition: &Definition) -> Result<(), Error> {
    for binding in triggers::bindings() {
        let bound = Definition::of_arguments(&binding.arguments);
        let is_same = bound.is_ok_and(|bound| bound.to() == definition.to());
        if is_same || binding.table == source.table {
            return Err(TableError::AlreadyBound {
                table: binding.table_name.shown(),
                to: is_same.then(|| definition.to().clone()),
            }
            .into());
        }
    }
    Ok(())
}

/// Removes a binding; its principals or memberships stay as they are.
///
/// Every trigger that keeps them in step is removed, whatever its name and whatever has become of the table since.
/// From now on they are set by hand.
///
/// # Arguments
/// - `source`: the bound table
///
/// # Errors
/// `22004` for NULL, `42501` for anybody but the owner of the table, `42704` when it is not bound.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.bind_principals('customer', 'customer', 'id::text');
/// SELECT tokenauth.unbind_principals('customer');
/// SELECT tokenauth.unbind_principals('customer');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn unbind_principals(call: Call, source: Option<Table>) -> Result<(), ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _settled = settled();
    let source = Source::owned(source, c"unbind_principals()", |_| Out::Everybody)?;
    lock_bindings();
    let mut types = installed::drop(&source);
    types.extend(forget_all(&source, &types));
    let Some(first) = types.first() else {
        return Err(TableError::NotBound(source.qualified.shown()))?;
    };
    let event = if first.is_empty() { "members.unbound" } else { "principals.unbound" };
    Ok(record_unbound(&source.qualified, event, &actor)?)
}

/// Forgets that these types were bound, and what a table of this name was bound to; but nothing that another table is
/// bound to. Returns what was forgotten.
fn forget_all(source: &Source, types: &[Text]) -> Vec<Text> {
    let bound = triggers::tables();
    recorded()
        .into_iter()
        .filter(|one| one.table == Some(source.table) || types.contains(&one.of_type))
        .map(|one| one.of_type)
        .filter(|of_type| !bound.iter().any(|other| other.is_installed && other.is_of(of_type)))
        .inspect(forget)
        .collect()
}
