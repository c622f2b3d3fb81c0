//! Who may call what: accesses that the owner of the extension grants to roles.
//!
//! Nothing is granted to PUBLIC and no role is created. An access is only EXECUTE on functions, whose descriptions name
//! it, and SELECT (and DML on `kind`) on what is listed here, so `\dp` and `\df+` show the whole truth and a dump
//! carries it.

use std::borrow::Cow;
use std::collections::HashSet;

use pgrx::prelude::*;

use super::actor::refuse_identity;
use super::granted_functions::GRANTED_FUNCTIONS;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::error::{AccessError, ArgumentError, Error, ErrorReport, ServerError};
use crate::pg::function::call::Call;
use crate::pg::report::message;
use crate::pg::roles::citus;
use crate::pg::roles::init_privileges::Unrecorded;
use crate::pg::roles::role::{self, Role};
use crate::pg::sql::statement::{Statement, arguments, run_command};
use crate::pg::transaction::guc_scope::{GucScope, SEARCH_PATH};
use crate::pg::transaction::xact;
use crate::pg::types::text::Text;
use crate::settings;
use crate::usage;

/// What a role may be given. Each access includes the one before it; only `observe` builds on `verify`. `admin`
/// includes all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Identity,
    Verify,
    Own,
    Manage,
    Observe,
    Admin,
}

impl Access {
    fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"identity" => Some(Access::Identity),
            b"verify" => Some(Access::Verify),
            b"self" => Some(Access::Own),
            b"manage" => Some(Access::Manage),
            b"observe" => Some(Access::Observe),
            b"admin" => Some(Access::Admin),
            _ => None,
        }
    }

    /// The privileges it adds to the accesses it includes.
    fn privileges(self) -> impl Iterator<Item = Cow<'static, str>> {
        let functions = GRANTED_FUNCTIONS.iter().filter(move |(_, accesses)| accesses.contains(&self));
        let functions = functions.map(|(name, _)| Cow::Owned(format!("EXECUTE ON FUNCTION tokenauth.{name}")));
        let of_kind = (self == Access::Admin).then(|| Cow::Owned(kind_columns()));
        functions.chain(self.on_tables().iter().copied().map(Cow::Borrowed)).chain(of_kind)
    }

    const fn on_tables(self) -> &'static [&'static str] {
        match self {
            Access::Observe => &[
                "SELECT ON tokenauth.usage_hourly",
                "SELECT ON tokenauth.tokens",
                "SELECT ON tokenauth.events",
                "SELECT ON tokenauth.kind",
                "SELECT ON tokenauth.metrics",
            ],
            Access::Admin => &["DELETE ON tokenauth.kind"],
            Access::Identity | Access::Verify | Access::Own | Access::Manage => &[],
        }
    }

    /// Itself and the accesses it includes.
    const fn includes(self) -> &'static [Access] {
        match self {
            Access::Identity => &[Access::Identity],
            Access::Verify => &[Access::Identity, Access::Verify],
            Access::Own => &[Access::Identity, Access::Verify, Access::Own],
            Access::Manage => &[Access::Identity, Access::Verify, Access::Own, Access::Manage],
            Access::Observe => &[Access::Identity, Access::Verify, Access::Observe],
            Access::Admin => {
                &[Access::Identity, Access::Verify, Access::Own, Access::Manage, Access::Observe, Access::Admin]
            }
        }
    }
}

/// The privilege to write every column of `kind` except `created_at`: a kind that is older than its transaction comes
/// from a dump, and leaves no event.
fn kind_columns() -> String {
    static COLUMNS: Statement = Statement::new(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
           FROM pg_attribute
          WHERE attrelid = 'tokenauth.kind'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'created_at'",
    );
    let columns = COLUMNS.first(&[], |row| row.required::<Text>(1)).unwrap_or_else(|| Text::from(""));
    let columns = String::from_utf8_lossy(columns.as_bytes());
    format!("INSERT ({columns}), UPDATE ({columns}) ON tokenauth.kind")
}

/// Grants a role an access: identity, verify, self, manage, observe or admin.
///
/// Every access includes identity, and all but that include verify; manage includes self, and admin includes all.
///
/// # Arguments
/// - `to_role`: who gets it
/// - `access`: its name
///
/// # Errors
/// `22004` for a NULL argument, `22023` for an unknown access, `42501` for anybody but the extension's owner, and even
/// for that under an identity.
///
/// # Access
/// the extension's owner
///
/// # Example
/// ```sql
/// CREATE ROLE regress_tokenauth_api;
/// SELECT tokenauth.grant_access('regress_tokenauth_api', 'verify');
/// SET LOCAL ROLE regress_tokenauth_api;
/// SELECT verdict FROM tokenauth.verify(:'token');
/// SELECT tokenauth.revoke(:'id');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn grant_access(call: Call, to_role: Option<Role>, access: Option<Text>) -> Result<(), ErrorReport> {
    let caller = Caller::enter(call)?;
    let _path = GucScope::set(&[SEARCH_PATH]);
    let (role, access) = asked(caller, "to_role", to_role, access)?;
    if citus::is_there() {
        message::notice("granted on this node only: for the others use run_command_on_all_nodes()".to_owned());
    }
    run_command(format!("GRANT USAGE ON SCHEMA tokenauth TO {role}"));
    for what in on_what_there_is(access.includes().iter().flat_map(|access| access.privileges())) {
        run_command(format!("GRANT {what} TO {role}"));
    }
    Ok(())
}

/// Takes from a role what an access adds to those it includes.
///
/// # Arguments
/// - `from_role`: who loses it
/// - `access`: its name
///
/// # Errors
/// As `grant_access`.
///
/// # Access
/// the extension's owner
///
/// # Example
/// ```sql
/// CREATE ROLE regress_tokenauth_api;
/// SELECT tokenauth.grant_access('regress_tokenauth_api', 'manage');
/// SELECT tokenauth.revoke_access('regress_tokenauth_api', 'manage');
/// SELECT has_function_privilege('regress_tokenauth_api', p.oid, 'EXECUTE') AS may, p.proname
///   FROM pg_proc p WHERE p.proname IN ('put_principal', 'verify') ORDER BY p.proname;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn revoke_access(call: Call, from_role: Option<Role>, access: Option<Text>) -> Result<(), ErrorReport> {
    let caller = Caller::enter(call)?;
    let _path = GucScope::set(&[SEARCH_PATH]);
    let (role, access) = asked(caller, "from_role", from_role, access)?;
    for what in on_what_there_is(access.privileges()) {
        run_command(format!("REVOKE {what} FROM {role}"));
    }
    Ok(())
}

/// Those of these privileges whose object is in this database: one that is not updated yet lacks some.
fn on_what_there_is(privileges: impl Iterator<Item = Cow<'static, str>>) -> Vec<Cow<'static, str>> {
    static NAMES: Statement = Statement::new(
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'tokenauth'::regnamespace
         UNION
         SELECT relname::text FROM pg_class WHERE relnamespace = 'tokenauth'::regnamespace",
    );
    let names: HashSet<Text> = NAMES.all(&[], |row| row.required(1)).into_iter().collect();
    let is_there = |privilege: &Cow<str>| {
        privilege.rsplit_once("tokenauth.").is_some_and(|(_, name)| names.contains(name.as_bytes()))
    };
    privileges.filter(is_there).collect()
}

/// Checks that the caller may grant, and returns the role, quoted, and the access.
fn asked(
    caller: Caller,
    what: &'static str,
    role: Option<Role>,
    access: Option<Text>,
) -> Result<(String, Access), Error> {
    refuse_identity()?;
    let role = arguments::given(what, role)?;
    let access = arguments::given("access", access)?;
    refuse_all_but_owner(caller)?;
    let access = Access::parse(access.as_bytes()).ok_or(ArgumentError::NoSuchAccess)?;
    Ok((role.quoted_name(), access))
}

/// Checks that the caller has the rights of the extension's owner.
///
/// # Errors
/// 42501 for anybody else.
pub fn refuse_all_but_owner(caller: Caller) -> Result<(), AccessError> {
    static IS_OWNER: Statement =
        Statement::new("SELECT pg_has_role($1, extowner, 'USAGE') FROM pg_extension WHERE extname = 'tokenauth'");
    if IS_OWNER.first(arguments![caller.user()], |row| row.required(1)).unwrap_or(false) {
        Ok(())
    } else {
        Err(AccessError::NotExtensionOwner)
    }
}

/// Internal: revokes what default privileges grant while the extension is created or updated.
///
/// It is called at the end of such a script, and revokes what PUBLIC has as well; of an update, only on what that has
/// made. What was granted before stays.
///
/// # Errors
/// `55000` at any other time.
///
/// # Access
/// the extension's owner
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn strip_grants(call: Call) -> Result<(), ErrorReport> {
    let _owner = Caller::enter(call)?.act_as_owner();
    static GRANTED: Statement = Statement::new(
        "WITH member AS (
             SELECT d.xmin::text::bigint AS made_by,
                    CASE d.classid WHEN 'pg_class'::regclass THEN 'TABLE ' || d.objid::regclass
                                   WHEN 'pg_proc'::regclass THEN 'FUNCTION ' || d.objid::regprocedure
                                   WHEN 'pg_type'::regclass THEN 'TYPE ' || d.objid::regtype
                                   WHEN 'pg_namespace'::regclass THEN 'SCHEMA ' || d.objid::regnamespace END AS object,
                    coalesce(c.relacl, p.proacl, y.typacl, n.nspacl,
                             acldefault(CASE d.classid WHEN 'pg_class'::regclass THEN 'r'
                                                       WHEN 'pg_proc'::regclass THEN 'f'
                                                       WHEN 'pg_type'::regclass THEN 'T'
                                                       ELSE 'n' END::\"char\", e.extowner)) AS acl,
                    e.extowner
               FROM pg_extension e
               JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
               LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
               LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
               LEFT JOIN pg_type y ON d.classid = 'pg_type'::regclass AND y.oid = d.objid
               LEFT JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
              WHERE e.extname = 'tokenauth'
                AND (c.relkind IN ('r', 'v') OR p.prokind = 'f' OR n.oid IS NOT NULL
                     -- Array types have no privileges of their own, and row types are stripped without a record.
                     OR y.oid IS NOT NULL AND y.typelem = 0
                        AND NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = y.typrelid AND r.relkind <> 'c')))
         SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', object,
                                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END),
                made_by
           FROM member, aclexplode(acl) a
          WHERE object IS NOT NULL AND a.grantee <> extowner",
    );
    if !role::is_creating_extension() {
        Err(ServerError::NotInstalling)?;
    }
    for (command, made_by) in GRANTED.all(&[], |row| (row.required::<Text>(1), row.required::<i64>(2))) {
        if u32::try_from(made_by).is_ok_and(xact::is_ours) {
            run_command(command.as_bytes());
        }
    }
    strip_row_types();
    usage::say_what_is_missing();
    if settings::heartbeat() {
        usage::begin_beats_at_commit();
    }
    Ok(())
}

/// The row types of our tables and views that PUBLIC may use, as it may every new one: a table made with one would
/// stand in the way of changes of ours. They are members of the extension since 16 only, and default privileges do not
/// apply.
macro_rules! open_row_types {
    () => {
        "FROM pg_extension e
         JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
         JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
         JOIN pg_type y ON y.oid = c.reltype
         JOIN LATERAL aclexplode(coalesce(y.typacl, acldefault('T', y.typowner))) a ON a.grantee = 0
        WHERE e.extname = 'tokenauth'"
    };
}

/// Takes the row types from PUBLIC: at the installation, and whenever `pg_upgrade`, which does not carry the privileges
/// of row types, has made them anew. A database's worker calls this. Acts as the current user, who must own them.
pub fn strip_row_types() {
    static OPEN: Statement = Statement::new(concat!(
        "SELECT 'REVOKE ALL ON TYPE ' || string_agg(y.oid::regtype::text, ', ') || ' FROM PUBLIC' ",
        open_row_types!(),
    ));
    let _unrecorded = Unrecorded::begin();
    if let Some(command) = OPEN.first(&[], |row| row.optional::<Text>(1)).flatten() {
        run_command(command.as_bytes());
    }
}

/// The row types that PUBLIC may use, in a list as GRANT and REVOKE take it; `None` as it should be.
pub fn open_row_types() -> Option<Text> {
    static OPEN: Statement = Statement::new(concat!(
        "SELECT string_agg(y.oid::regtype::text, ', ' ORDER BY y.typname) ",
        open_row_types!(),
    ));
    OPEN.first(&[], |row| row.optional(1)).flatten()
}
