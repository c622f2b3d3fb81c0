//! Rows of `tokenauth.import`: by which algorithms tokens of older systems were digested.
//!
//! Only while there are such tokens is a text that is none of ours worth a look at the table of tokens, so verification
//! remembers what is here: a new row signals, unlike one of a new token.

use crate::pg::probe::{Indexed, Key};
use crate::pg::snapshot::Latest;
use crate::pg::statement::{Statement, arguments};
use crate::token::Algorithm;

/// The table by its primary key.
pub static BY_ALGORITHM: Indexed = Indexed::new(c"import", c"import_pkey", 1);

/// Which imports the database holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Imports {
    sha256: bool,
    sha512: bool,
}

impl Imports {
    /// As the snapshot shows them.
    pub fn read(snapshot: &Latest) -> Self {
        Imports { sha256: is_there(Algorithm::Sha256, snapshot), sha512: is_there(Algorithm::Sha512, snapshot) }
    }

    /// Makes it known that there are tokens with digests of this algorithm.
    pub fn expect(algorithm: Algorithm) {
        static EXPECT: Statement =
            Statement::new("INSERT INTO tokenauth.import (algorithm) VALUES ($1) ON CONFLICT (algorithm) DO NOTHING");
        // Looked at first: one statement less for each token of a table of old ones but the first.
        if !is_there(algorithm, &Latest::take()) {
            EXPECT.run(arguments![algorithm.name()]);
        }
    }

    /// The algorithms by which a text may have to be looked for, the likelier one first.
    pub fn algorithms(self) -> impl Iterator<Item = Algorithm> {
        [self.sha256.then_some(Algorithm::Sha256), self.sha512.then_some(Algorithm::Sha512)].into_iter().flatten()
    }
}

fn is_there(algorithm: Algorithm, snapshot: &Latest) -> bool {
    BY_ALGORITHM.find(Key::Text(algorithm.name().as_bytes()), snapshot, |_| ()).is_some()
}
