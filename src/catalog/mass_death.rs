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
    pub const AT: usize = 3;
    pub const BY: usize = 4;
    pub const REASON: usize = 5;
    pub const COVERS: usize = 6;
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
