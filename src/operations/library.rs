//! `require_library()`: what each script of the extension begins with.

use pgrx::prelude::*;

use crate::pg::roles::library;

/// Raises unless the library that this session has loaded is of the version being installed, or a newer one.
///
/// A script that installs or updates makes this function, calls it and drops it: no database has it afterwards, so it
/// needs no caller. Its name and its result stay what they are, since scripts of later versions meet this library.
///
/// # Errors
/// 55000.
#[pg_extern(sql = false)]
fn require_library() {
    library::require();
}
