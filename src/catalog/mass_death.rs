//! Rows of `tokenauth.mass_death`.

use crate::pg::scan::index_key::{IndexKey, Is};
use crate::pg::scan::index_scan::Index;
use crate::pg::scan::index_walk::{Direction, OpenIndex, WHOLE, Walk};
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::row::Row;

/// The table by its primary key, owner and epoch.
pub static BY_OWNER: Index = Index::new(c"mass_death", c"mass_death_pkey");

/// Columns, in the order of the table.
pub mod column {
    pub const EPOCH: usize = 2;
    pub const AT: usize = 3;
    pub const BY: usize = 4;
    pub const REASON: usize = 5;
    pub const COVERS: usize = 6;
}

/// The last epochs that are remembered of an owner; 0 where there is none.
#[derive(Default)]
pub struct Last {
    /// That of any mass death.
    pub any: i32,
    /// That of a death of all its tokens.
    pub of_all: i32,
}

/// The last mass deaths of an owner.
pub fn last(owner: &[u8]) -> Last {
    let opened = BY_OWNER.open_to_walk();
    let snapshot = LatestSnapshot::take();
    let mut walk = opened.walk(&snapshot);
    walk.seek([(1, Is::Equal, IndexKey::Text(owner))]);
    let mut last = Last::default();
    while let Some(row) = walk.next(Direction::Up, WHOLE) {
        last.any = i32::try_from(row.required::<i64>(column::EPOCH)).unwrap_or(i32::MAX);
        if row.bytes(column::COVERS) == Some(b"all") {
            last.of_all = last.any;
        }
    }
    last
}

/// The mass deaths of owners, as one snapshot shows them.
pub struct Deaths<'a>(Walk<'a, 2>);

impl<'a> Deaths<'a> {
    /// By an index that was opened as [`BY_OWNER`].
    pub fn new(index: &'a OpenIndex, snapshot: &'a LatestSnapshot) -> Self {
        Deaths(index.walk(snapshot))
    }

    /// The first that has killed a token of this owner and epoch, unless the token was dead before. The row lasts until
    /// the next call.
    pub fn first(&mut self, owner: &[u8], epoch: i32, dies_with_owner: bool) -> Option<Row> {
        self.0.seek([(1, Is::Equal, IndexKey::Text(owner)), (2, Is::Greater, IndexKey::Bigint(epoch.into()))]);
        loop {
            let row = self.0.next(Direction::Up, WHOLE)?;
            if dies_with_owner || row.bytes(column::COVERS) == Some(b"all") {
                return Some(row);
            }
        }
    }
}
