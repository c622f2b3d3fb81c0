//! Whatever the extension reads that somebody else wrote, checked with any bytes at all: not only that nothing panics,
//! but that what was understood is what was written, and that nothing is understood which the form does not have.
//!
//! The modules are those of the extension, compiled without PostgreSQL: each that is named here depends on none of it.
//! `scripts/fuzz` runs the [`TARGETS`] under libFuzzer and AddressSanitizer; `tests/seeds.rs` runs them once with each
//! seed.

/// The modules, at the paths that they have in the extension.
#[path = "../../src"]
#[allow(dead_code, unused_imports, reason = "the rest of the extension uses more of them")]
mod source {
    pub mod token;
    pub mod error {
        pub mod key_fault;
    }
    pub mod keys {
        pub mod file;
    }
    pub mod model {
        pub mod data_scope;
        pub mod network;
        pub mod rate;
        pub mod scope;
        pub mod verdict;
    }
    pub mod operations {
        pub mod leaks {
            pub mod written;
        }
        pub mod revocations {
            pub mod document {
                pub mod written;
            }
        }
    }
    pub mod pg {
        pub mod process {
            pub mod hold_times;
            pub mod prefetch;
            pub mod private_file;
        }
    }
    pub mod usage {
        pub mod batch {
            pub mod written;
        }
        pub mod slots;
        pub mod snapshot_file {
            pub mod image;
        }
    }
    pub mod verify {
        pub mod http {
            pub mod basic;
            pub mod credential;
            pub mod headers;
        }
    }
}

use source::{error, keys, model, operations, pg, token, usage, verify};

mod oracle;
pub mod seeds;
mod targets;

/// A target's name, and what it checks of an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 10] = [
    ("token", targets::token::check),
    ("derived", targets::derived::check),
    ("masking", targets::masking::check),
    ("headers", targets::headers::check),
    ("key_file", targets::key_file::check),
    ("snapshot", targets::snapshot::check),
    ("batch", targets::batch::check),
    ("documents", targets::documents::check),
    ("leak_report", targets::leak_report::check),
    ("policy", targets::policy::check),
];

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|&(_, check)| check)
}
