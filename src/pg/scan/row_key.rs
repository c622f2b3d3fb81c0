//! Rows of our tables as the server's invalidation messages can name them.
//!
//! `CacheInvalidateRelcacheByTuple` sends a message for the oid in a tuple of pg_class, of which it reads nothing else
//! but whether the relation is shared. So a tuple that exists in memory only makes a message, sent at commit as any
//! other, for any oid: here one with its upper bit set and 31 bits of a hash. The server drops what it caches of such a
//! relation, which is nothing. Should a real relation have this oid, each merely invalidates the other once too often.

use std::mem::offset_of;

use pgrx::pg_sys;

/// How many keys are told apart among changes of a while ago. With a thousand a second, a row that is not asked for
/// meanwhile is taken for changed by mistake after some sixteen seconds.
pub const BUCKETS: usize = 1 << 14;

/// The upper bit: PostgreSQL assigns oids from below, and starts again at the bottom after it.
const FIRST: u32 = 1 << 31;

/// A row: 31 bits of a hash of its table and its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowKey(u32);

impl RowKey {
    /// No row.
    pub const NONE: Self = RowKey(0);

    /// The row of this table with this key.
    pub fn new(table: &str, key: &[u8]) -> Self {
        let mut hash = crc32fast::Hasher::new();
        hash.update(table.as_bytes());
        // No name of a table contains a zero.
        hash.update(&[0]);
        hash.update(key);
        RowKey(FIRST | hash.finalize())
    }

    /// The row that a message with this oid is about, if it is about one.
    pub fn named_by(relation: pg_sys::Oid) -> Option<Self> {
        Some(RowKey(relation.to_u32())).filter(|key| key.0 >= FIRST)
    }

    /// The place that the key has among [`BUCKETS`].
    pub fn bucket(self) -> usize {
        self.0 as usize % BUCKETS
    }
}

/// Queues the message that this row has changed, for the commit.
pub fn send(row: RowKey) {
    /// A tuple of pg_class as far as the server looks at it, with the padding that its header has.
    #[repr(C, align(8))]
    struct Class {
        header: [u8; HEADER],
        form: pg_sys::FormData_pg_class,
    }
    /// `MAXALIGN` of the header's size, where the columns of a tuple begin.
    const HEADER: usize = offset_of!(pg_sys::HeapTupleHeaderData, t_bits).next_multiple_of(8);
    // SAFETY: plain data, for which zeros are valid; not shared.
    let mut class: Class = unsafe { std::mem::zeroed() };
    class.form.oid = pg_sys::Oid::from(row.0);
    class.header[offset_of!(pg_sys::HeapTupleHeaderData, t_hoff)] = HEADER as u8;
    // SAFETY: as above.
    let mut tuple: pg_sys::HeapTupleData = unsafe { std::mem::zeroed() };
    tuple.t_len = size_of::<Class>() as u32;
    tuple.t_data = (&raw mut class).cast();
    // SAFETY: the function reads `oid` and `relisshared` at `t_data` + `t_hoff`, and keeps no pointer (inval.c).
    unsafe { pg_sys::CacheInvalidateRelcacheByTuple(&raw mut tuple) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_its_message_and_no_relation_of_a_usual_oid_is() {
        let row = RowKey::new("token", &7_i64.to_ne_bytes());
        assert_eq!(RowKey::named_by(pg_sys::Oid::from(row.0)), Some(row));
        assert!(row.bucket() < BUCKETS);
        for oid in [0, 1, 1259, 16_384, FIRST - 1] {
            assert_eq!(RowKey::named_by(pg_sys::Oid::from(oid)), None);
        }
    }

    #[test]
    fn the_same_key_in_another_table_is_another_row() {
        assert_ne!(RowKey::new("kind", b"api"), RowKey::new("principal", b"api"));
        assert_ne!(RowKey::new("kind", b"api"), RowKey::new("kind", b"apis"));
    }
}
