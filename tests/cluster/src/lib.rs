//! Shared by the tests in `tests/`: real servers in temporary directories, and the calls of the contract.
//!
//! The extension must be installed in the PostgreSQL of `PG_CONFIG`, or of the `pg_config` in `PATH`; `make cluster`
//! does both. Whatever fails panics with the message of the program or server.

mod backups;
pub mod blocks;
pub mod calls;
pub mod catalogs;
pub mod contract;
mod crash;
mod distance;
mod end;
mod examples;
pub mod filled;
pub mod http;
mod installation;
mod memory;
mod needles;
mod orphans;
mod pooler;
mod processes;
mod psql;
mod random;
mod server;
mod verifier;
mod volume;

pub use backups::REVOCATION_LOG;
pub use distance::Distance;
pub use end::End;
pub use examples::{built, cargo, example, installed, prepared, serve};
pub use installation::{
    as_server, bin_directory, finish, has_library, has_program, is_of_debian, major, may_have_library, older,
    temporary_directory,
};
pub use memory::memory;
pub use needles::{Needles, published_channels};
pub use orphans::Orphans;
pub use pooler::Pooler;
pub use processes::{kill_family, signal};
pub use psql::Psql;
pub use random::{Random, rounds};
pub use server::{FAST, Server, wait_until, wait_within};
pub use verifier::{By, Verifier};
pub use volume::Volume;
