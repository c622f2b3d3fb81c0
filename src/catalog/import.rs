//! Rows of `tokenauth.import`: the digest algorithms of imported tokens.
//!
//! Only while there are such tokens is a text not of our form worth a look into the table of tokens, so verification
//! caches these rows: unlike a new token, a new row here invalidates what backends cache.

use std::cell::Cell;

use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::token::Algorithm;

/// The table by its primary key.
pub static BY_ALGORITHM: UniqueIndex = UniqueIndex::new(c"import", c"import_pkey", 1);

backend_local! {
    /// The last algorithm that was expected, with how many transactions had ended, and been rolled back, by then.
    static EXPECTED: Cell<Option<(Algorithm, u64, u64)>> = const { Cell::new(None) };
}

/// The algorithms of imports that the database holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Imports {
    sha256: bool,
    sha512: bool,
}

impl Imports {
    /// Reads them as the snapshot shows them.
    pub fn read(snapshot: &LatestSnapshot) -> Self {
        Imports { sha256: is_there(Algorithm::Sha256, snapshot), sha512: is_there(Algorithm::Sha512, snapshot) }
    }

    /// Records that there are tokens with digests of this algorithm.
    pub fn expect(algorithm: Algorithm) {
        static EXPECT: Statement =
            Statement::new("INSERT INTO tokenauth.import (algorithm) VALUES ($1) ON CONFLICT (algorithm) DO NOTHING");
        // A migration imports many in one transaction, in which the row stays once it is there.
        let looked = (algorithm, xact::ended(), xact::rollbacks());
        if EXPECTED.replace(Some(looked)) == Some(looked) {
            return;
        }
        // Look first: this saves a statement for every import but the first.
        if !is_there(algorithm, &LatestSnapshot::take()) {
            EXPECT.run(arguments![algorithm.name()]);
        }
    }

    /// Whether there are no imports.
    pub fn are_none(self) -> bool {
        !self.sha256 && !self.sha512
    }

    /// The algorithms to try for a text, the likelier one first.
    pub fn algorithms(self) -> impl Iterator<Item = Algorithm> {
        [self.sha256.then_some(Algorithm::Sha256), self.sha512.then_some(Algorithm::Sha512)].into_iter().flatten()
    }
}

fn is_there(algorithm: Algorithm, snapshot: &LatestSnapshot) -> bool {
    BY_ALGORITHM.find(IndexKey::Text(algorithm.name().as_bytes()), snapshot, |_| ()).is_some()
}
