//! The version of this library, beside that of the extension as it is installed.
//!
//! The two change one after the other: files are replaced, sessions opened before keep the library that they have, and
//! each database is updated on its own. A library serves whatever older releases have installed. Of what a newer minor
//! version has installed it knows neither arguments nor columns, so it refuses every call before it reads an argument;
//! releases that differ in the last number only have the same functions and tables.

use std::ffi::{CStr, c_int};
use std::fmt::{self, Display};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};

use super::extension::{self, raise_not_installed};

/// A version as releases have it: major, minor, patch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version([u32; 3]);

impl Version {
    /// The version of this library.
    pub fn of_library() -> Self {
        Version::parse(env!("CARGO_PKG_VERSION")).unwrap_or_else(|| unreachable!("cargo checks versions"))
    }

    /// The version that this text is; `None` if it is none that a release of ours has.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let version = Version([parts.next()??, parts.next()??, parts.next()??]);
        parts.next().is_none().then_some(version)
    }

    /// Whether this library may be called as the functions of that version are.
    fn understands(self, installed: Version) -> bool {
        let minor = |version: Version| (version.0[0], version.0[1]);
        minor(self) >= minor(installed)
    }
}

impl Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(formatter, "{major}.{minor}.{patch}")
    }
}

/// What makes a session, and the sessions after it, use the library that is installed now.
pub const HINT: &str = "Connect anew, so that the session loads the library as it is installed now; where it is \
                        preloaded, restart the server first.";

/// Refuses a call of the functions of a version that is newer than the library.
///
/// # Errors
/// Raises 55000 if the extension with this oid is.
pub(super) fn refuse_newer(extension: pg_sys::Oid) {
    if let Some(installed) = installed(extension).filter(|&installed| !Version::of_library().understands(installed)) {
        raise_too_old(installed);
    }
}

/// Refuses to go on with a script that needs a newer library: that which installs or updates the extension now.
///
/// # Errors
/// Raises 55000.
pub fn require() {
    // SAFETY: a look-up in the catalog; an absent name returns InvalidOid.
    let extension = unsafe { pg_sys::get_extension_oid(extension::NAME.as_ptr(), true) };
    let installed = installed(extension).unwrap_or_else(|| raise_not_installed());
    if Version::of_library() < installed {
        raise_too_old(installed);
    }
}

#[cold]
fn raise_too_old(installed: Version) -> ! {
    let message = format!(
        "extension \"tokenauth\" of version {installed} needs a newer library than the loaded one of version {}",
        Version::of_library()
    );
    ErrorReport::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, "tokenauth")
        .set_detail("The library was loaded before its file was replaced, or the file is of an older version.")
        .set_hint(HINT)
        .report(PgLogLevel::ERROR);
    unreachable!("an error was raised")
}

/// The version of the extension with this oid, if it is one that a release of ours has.
fn installed(extension: pg_sys::Oid) -> Option<Version> {
    // SAFETY: a scan of a catalog by its index, ended before the function returns. The text is detoasted into a copy
    // in the current memory context, and parsed before anything else.
    unsafe {
        let catalog = pg_sys::table_open(pg_sys::ExtensionRelationId, pg_sys::AccessShareLock as c_int);
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut key,
            pg_sys::Anum_pg_extension_oid as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::Oid::from(pg_sys::F_OIDEQ),
            extension.into(),
        );
        let index = pg_sys::Oid::from(pg_sys::ExtensionOidIndexId);
        let scan = pg_sys::systable_beginscan(catalog, index, true, std::ptr::null_mut(), 1, &mut key);
        let row = pg_sys::systable_getnext(scan);
        let version = if row.is_null() { None } else { version_in(row, (*catalog).rd_att) };
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalog, pg_sys::AccessShareLock as c_int);
        version
    }
}

/// # Safety
/// `row` must be a row of `pg_extension`, which has this descriptor.
unsafe fn version_in(row: pg_sys::HeapTuple, descriptor: pg_sys::TupleDesc) -> Option<Version> {
    // SAFETY: guaranteed by the caller; the column is a text and never NULL.
    unsafe {
        let mut is_null = false;
        let column = pg_sys::Anum_pg_extension_extversion as c_int;
        let datum = pg_sys::heap_getattr(row, column, descriptor, &mut is_null);
        let text = CStr::from_ptr(pg_sys::text_to_cstring(datum.cast_mut_ptr()));
        text.to_str().ok().and_then(Version::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        let version = |text| Version::parse(text).expect(text);
        assert!(version("0.9.0") < version("0.10.0"));
        assert!(version("0.10.0") < version("1.0.0"));
        assert!(version("1.0.2") < version("1.0.10"));
        assert_eq!(version("1.2.3").to_string(), "1.2.3");
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "1.2.-3", "unreleased"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_library_serves_older_versions_and_those_that_differ_in_the_last_number() {
        let understands = |library: [u32; 3], installed| Version(library).understands(Version(installed));
        for installed in [[0, 1, 0], [0, 2, 0], [0, 2, 1], [0, 2, 9]] {
            assert!(understands([0, 2, 1], installed), "{installed:?}");
        }
        for installed in [[0, 3, 0], [1, 0, 0], [1, 1, 1]] {
            assert!(!understands([0, 2, 1], installed), "{installed:?}");
        }
    }
}
