//! The keys by which rows of our tables are looked for in an index, and how its columns compare with them.

use pgrx::{IntoDatum, pg_sys};

use crate::pg::types::row::Row;

/// The value to look for.
#[derive(Clone, Copy)]
pub enum IndexKey<'a> {
    /// In a `bigint` column.
    Bigint(i64),
    /// In a `boolean` column.
    Boolean(bool),
    /// In a `uuid` column.
    Uuid(pgrx::Uuid),
    /// In a `text COLLATE "C"` column.
    Text(&'a [u8]),
    /// In a `bytea` column.
    Bytes(&'a [u8]),
}

impl IndexKey<'_> {
    /// As a datum; what is passed by reference is allocated in the current memory context.
    pub(super) fn datum(self) -> pg_sys::Datum {
        let datum = match self {
            IndexKey::Bigint(key) => key.into_datum(),
            IndexKey::Boolean(key) => key.into_datum(),
            IndexKey::Uuid(key) => key.into_datum(),
            IndexKey::Text(key) | IndexKey::Bytes(key) => key.into_datum(),
        };
        datum.unwrap_or(pg_sys::Datum::null())
    }

    /// The condition that a column equals it.
    pub(super) fn equals(self, column: pg_sys::AttrNumber) -> pg_sys::ScanKeyData {
        Is::Equal.condition(column, self, self.datum())
    }

    /// Whether a row has it in this column.
    pub(in crate::pg) fn is_of(&self, row: &Row, column: usize) -> bool {
        match self {
            IndexKey::Bigint(key) => row.optional::<i64>(column) == Some(*key),
            IndexKey::Boolean(key) => row.optional::<bool>(column) == Some(*key),
            IndexKey::Uuid(key) => row.optional::<pgrx::Uuid>(column) == Some(*key),
            IndexKey::Text(key) | IndexKey::Bytes(key) => row.bytes(column) == Some(*key),
        }
    }
}

/// How a column of an index compares with a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Is {
    Equal,
    Less,
    AtMost,
    Greater,
}

impl Is {
    /// The condition that a column compares so with a key, of which `value` is the datum. Its collation is "C", as
    /// ScanKeyInit sets it and the columns declare it.
    pub(super) fn condition(
        self,
        column: pg_sys::AttrNumber,
        key: IndexKey<'_>,
        value: pg_sys::Datum,
    ) -> pg_sys::ScanKeyData {
        let mut condition = pg_sys::ScanKeyData::default();
        // SAFETY: initialises it, with a comparison of the column's type.
        unsafe { pg_sys::ScanKeyInit(&mut condition, column, self.strategy(), self.procedure(key).into(), value) };
        condition
    }

    fn strategy(self) -> pg_sys::StrategyNumber {
        let strategy = match self {
            Is::Equal => pg_sys::BTEqualStrategyNumber,
            Is::Less => pg_sys::BTLessStrategyNumber,
            Is::AtMost => pg_sys::BTLessEqualStrategyNumber,
            Is::Greater => pg_sys::BTGreaterStrategyNumber,
        };
        strategy as pg_sys::StrategyNumber
    }

    fn procedure(self, key: IndexKey<'_>) -> u32 {
        match (key, self) {
            (IndexKey::Bigint(_), Is::Equal) => pg_sys::F_INT8EQ,
            (IndexKey::Bigint(_), Is::Less) => pg_sys::F_INT8LT,
            (IndexKey::Bigint(_), Is::AtMost) => pg_sys::F_INT8LE,
            (IndexKey::Bigint(_), Is::Greater) => pg_sys::F_INT8GT,
            (IndexKey::Boolean(_), Is::Equal) => pg_sys::F_BOOLEQ,
            (IndexKey::Boolean(_), Is::Less) => pg_sys::F_BOOLLT,
            (IndexKey::Boolean(_), Is::AtMost) => pg_sys::F_BOOLLE,
            (IndexKey::Boolean(_), Is::Greater) => pg_sys::F_BOOLGT,
            (IndexKey::Uuid(_), Is::Equal) => pg_sys::F_UUID_EQ,
            (IndexKey::Uuid(_), Is::Less) => pg_sys::F_UUID_LT,
            (IndexKey::Uuid(_), Is::AtMost) => pg_sys::F_UUID_LE,
            (IndexKey::Uuid(_), Is::Greater) => pg_sys::F_UUID_GT,
            (IndexKey::Text(_), Is::Equal) => pg_sys::F_TEXTEQ,
            (IndexKey::Text(_), Is::Less) => pg_sys::F_TEXT_LT,
            (IndexKey::Text(_), Is::AtMost) => pg_sys::F_TEXT_LE,
            (IndexKey::Text(_), Is::Greater) => pg_sys::F_TEXT_GT,
            (IndexKey::Bytes(_), Is::Equal) => pg_sys::F_BYTEAEQ,
            (IndexKey::Bytes(_), Is::Less) => pg_sys::F_BYTEALT,
            (IndexKey::Bytes(_), Is::AtMost) => pg_sys::F_BYTEALE,
            (IndexKey::Bytes(_), Is::Greater) => pg_sys::F_BYTEAGT,
        }
    }
}
