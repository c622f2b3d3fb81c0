//! Compares the version of the library that this session has loaded with that of the extension in this database, and
//! with that of the installed files, which CREATE EXTENSION and ALTER EXTENSION would take.

use crate::error::finding::Finding;
use crate::pg::roles::library::{HINT, Version};
use crate::pg::sql::statement::Statement;
use crate::pg::types::text::Text;

/// What is not of the library's version.
pub fn findings() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT e.extversion, a.default_version
           FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname
          WHERE e.extname = 'tokenauth'",
    );
    let read = |text: Option<Text>| text.and_then(|text| Version::parse(&text.shown()));
    let (extension, files) = FIND.first(&[], |row| (read(row.optional(1)), read(row.optional(2)))).unwrap_or_default();
    let library = Version::of_library();
    let update = format!("Use ALTER EXTENSION tokenauth UPDATE TO '{library}'.");
    let finding = |object, verb, version: Version, older: &str| {
        let what = format!("{verb} of version {version}, and the loaded library of {library}");
        Finding::new("version", object, &what, if version < library { older } else { HINT })
    };
    let differs = |version: &Version| *version != library;
    let of_extension = extension.filter(differs).map(|version| finding("extension tokenauth", "is", version, &update));
    let of_files = files.filter(differs).map(|version| {
        finding("installed files", "are", version, "Install control file, scripts and library of one version.")
    });
    of_extension.into_iter().chain(of_files).collect()
}
