//! `tokenauth`: a PostgreSQL extension that issues, hashes, verifies and revokes API tokens inside the database.
//!
//! `ARCHITECTURE.md` says what it promises, how the code keeps it, and what is in each of these rooms. Each imports
//! only rooms below it, down to `pg`, the only module with unsafe code, and `token`, pure Rust that depends on nothing.

mod access;
mod arguments;
mod catalog;
mod error;
mod fence;
mod keys;
mod lifecycle;
mod model;
mod operations;
mod pg;
mod principals;
mod settings;
mod token;
mod triggers;
mod usage;
mod verify;

use std::ffi::CStr;

use pgrx::prelude::*;

/// The version of the extension, for the server's list of loaded libraries, which has names and versions from
/// PostgreSQL 18 on.
const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a version has no zero byte"),
};

::pgrx::pg_module_magic!(name = c"tokenauth", version = VERSION);

/// The schema that holds everything; the first SQL file creates it.
#[pg_schema]
mod tokenauth {}

extension_sql_file!("../sql/schema/schema.sql", name = "schema", bootstrap);
extension_sql_file!("../sql/schema/kind.sql", name = "kind", requires = ["schema"]);
extension_sql_file!("../sql/schema/principal.sql", name = "principal", requires = ["kind"]);
extension_sql_file!("../sql/schema/binding.sql", name = "binding", requires = ["principal"]);
extension_sql_file!("../sql/schema/token.sql", name = "token", requires = ["binding"]);
extension_sql_file!("../sql/schema/event.sql", name = "event", requires = ["token"]);
extension_sql_file!("../sql/schema/replication.sql", name = "replication", requires = ["event"]);
extension_sql_file!(
    "../sql/schema/views.sql",
    name = "views",
    requires = [
        "replication",
        usage::seen::recent_usage,
        operations::metrics::server_metrics,
        operations::metrics::count_findings,
        operations::metrics::count_expiring
    ]
);
extension_sql_file!("../sql/schema/types.sql", name = "types", requires = ["views"]);
extension_sql_file!(
    "../sql/schema/triggers.sql",
    name = "triggers",
    requires = [
        "types",
        triggers::kind::guard_kind,
        triggers::kind::record_kind,
        triggers::event::refuse_change,
        triggers::beat::follow_beats,
        triggers::invalidation::signal_change,
        triggers::invalidation::signal_derived_death,
        triggers::invalidation::guard_copied,
        triggers::invalidation::signal_principal,
        triggers::invalidation::signal_token
    ]
);
extension_sql_file!("../sql/schema/functions.sql", name = "functions", finalize);

/// Called by the server when it loads the library. Wiring only.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::report::diagnostics::forget_backtraces();
    pg::process::fault::define();
    pg::process::hold_times::define();
    settings::define(keys::report_fault);
    pg::transaction::xact::register(settings::death_commit);
    pg::transaction::row_changes::record_by(operations::heartbeat::record_change);
    pg::process::standby_notice::register();
    pg::scan::invalidation::register();
    pg::scan::held::register();
    pg::roles::authorization::register();
    pg::scan::relation::register();
    pg::sql::table_size::register();
    access::identity::listen();
    if pg::process::shared_memory::is_preloading() {
        usage::preload();
        operations::usage_launcher::register();
    }
}
