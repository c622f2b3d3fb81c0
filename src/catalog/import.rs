//! Rows of `tokenauth.import`: the digest algorithms of imported tokens.
//!
//! Only while there are such tokens is a text not of our form worth a look into the table of tokens, so verification
//! caches these rows: unlike a new token, a new row here invalidates what backends cache.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::ImportError;
use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::index_walk::Direction;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::token::ForeignAlgorithm;

/// The table by its primary key.
pub static BY_ALGORITHM: UniqueIndex = UniqueIndex::new(c"import", c"import_pkey", 1);

/// The number of the table's only column.
const ALGORITHM: usize = 1;

backend_local! {
    /// The last algorithm that was expected, with how many transactions had ended, and been rolled back, by then.
    static EXPECTED: RefCell<Option<Looked>> = const { RefCell::new(None) };
}

/// The algorithms of imports that the database holds, the likelier ones first.
#[derive(Clone)]
pub struct Imports(Rc<[ForeignAlgorithm]>);

impl Imports {
    /// Reads them as the snapshot shows them.
    pub fn read(snapshot: &LatestSnapshot) -> Self {
        let opened = BY_ALGORITHM.index().open_to_walk();
        let mut walk = opened.walk::<0>(snapshot);
        walk.seek([]);
        let mut found = Vec::new();
        while let Some(row) = walk.next(Direction::Up, ALGORITHM) {
            let name = row.bytes(ALGORITHM).and_then(|name| str::from_utf8(name).ok());
            found.extend(name.and_then(ForeignAlgorithm::named));
        }
        found.sort();
        Imports(found.into())
    }

    /// Refuses an algorithm that the tables of this database are too old for. Before a token is stored.
    ///
    /// # Errors
    /// 55000 for one.
    pub fn admit(algorithm: &ForeignAlgorithm) -> Result<(), ImportError> {
        if algorithm.is_of_first_release() || is_expected(&looked(algorithm)) || tables_know_later_ones() {
            Ok(())
        } else {
            Err(ImportError::OlderTables(algorithm.name().into_owned()))
        }
    }

    /// Records that there are tokens with digests of this algorithm. After one is stored: of two sessions that store
    /// the same digest at once, the second is to be told so in every isolation level, and not that both record its
    /// algorithm.
    pub fn expect(algorithm: &ForeignAlgorithm) {
        static EXPECT: Statement =
            Statement::new("INSERT INTO tokenauth.import (algorithm) VALUES ($1) ON CONFLICT (algorithm) DO NOTHING")
                .repeated();
        let looked = looked(algorithm);
        if is_expected(&looked) {
            return;
        }
        let name = algorithm.name();
        // Look first: this saves a statement for every import but the first.
        if BY_ALGORITHM.find(IndexKey::Text(name.as_bytes()), &LatestSnapshot::take(), |_| ()).is_none() {
            EXPECT.run(arguments![&*name]);
        }
        EXPECTED.set(Some(looked));
    }

    /// Whether there are no imports.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The algorithms to try for a text.
    pub fn algorithms(&self) -> &[ForeignAlgorithm] {
        &self.0
    }
}

/// An algorithm and the transaction in which it was expected: a migration imports many in one, in which the row stays
/// once it is there.
type Looked = (ForeignAlgorithm, u64, u64);

fn looked(algorithm: &ForeignAlgorithm) -> Looked {
    (algorithm.clone(), xact::ended(), xact::rollbacks())
}

fn is_expected(looked: &Looked) -> bool {
    EXPECTED.with_borrow(|expected| expected.as_ref() == Some(looked))
}

/// Whether the tables of this database can hold digests of algorithms that 0.1.0 did not have. Their CHECK would refuse
/// them as well, with the whole row in its DETAIL, and so the digest.
fn tables_know_later_ones() -> bool {
    static KNOWN: Statement = Statement::new(
        "SELECT pg_get_constraintdef(oid) LIKE '%sha256-after-bar%' FROM pg_constraint
          WHERE conrelid = 'tokenauth.token'::regclass AND conname = 'token_algorithm_known'",
    );
    KNOWN.first(arguments![], |row| row.required(1)).unwrap_or_default()
}
