//! Entry points of our own processes, which the server finds by name.

use pgrx::{pg_guard, pg_sys};

use crate::usage;

/// Name of [`tokenauth_launch`].
pub const LAUNCH: &str = "tokenauth_launch";
/// Name of [`tokenauth_flush`].
pub const FLUSH: &str = "tokenauth_flush";

/// The launcher of workers.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn tokenauth_launch(_argument: pg_sys::Datum) {
    usage::launch();
}

/// A worker; its argument is the oid of its database.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn tokenauth_flush(argument: pg_sys::Datum) {
    usage::flush(argument.value() as u32);
}
