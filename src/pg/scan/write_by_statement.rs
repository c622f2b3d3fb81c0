//! Writes a row of ours by a statement: where somebody has put something on its table that asks for one.

use std::ffi::{CStr, CString, c_int};

use pgrx::pg_sys;

use super::catalog_update::ColumnValue;
use super::index_key::IndexKey;
use super::index_scan::UniqueIndex;
use super::{kept, plain_table};
use crate::pg::roles::extension::raise_not_installed;
use crate::pg::sql::statement::{Argument, run_once};
use crate::pg::transaction::subtransaction::until_undisturbed;
use crate::pg::types::text::Text;

impl UniqueIndex {
    pub(super) fn insert_by_statement<const N: usize>(&self, values: [ColumnValue; N], conflict: &str) -> u64 {
        let (columns, arguments): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let (table, names) = self.names(&columns);
        let places: Vec<_> = (1..=names.len()).map(|place| format!("${place}")).collect();
        let sql = format!("INSERT INTO {table} ({}) VALUES ({}) {conflict}", names.join(", "), places.join(", "));
        run(sql, &arguments)
    }

    pub(super) fn update_by_statement<const N: usize>(&self, key: IndexKey<'_>, values: [ColumnValue; N]) -> u64 {
        let (mut columns, mut arguments): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        columns.push(self.column());
        arguments.push(match key {
            IndexKey::Bigint(key) => Argument::of(key),
            IndexKey::Boolean(key) => Argument::of(key),
            IndexKey::Uuid(key) => Argument::of(key),
            IndexKey::Text(key) => Argument::of(Text::from(key.to_vec())),
            IndexKey::Bytes(key) => Argument::of(key),
        });
        let (table, mut names) = self.names(&columns);
        let key = names.pop().unwrap_or_default();
        let sets: Vec<_> = names.iter().zip(1..).map(|(name, place)| format!("{name} = ${place}")).collect();
        let sql = format!("UPDATE {table} SET {} WHERE {key} = ${}", sets.join(", "), arguments.len());
        run(sql, &arguments)
    }

    /// The table and these columns of it, quoted.
    pub(super) fn names(&self, columns: &[usize]) -> (String, Vec<String>) {
        let opened = self.open(pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        // SAFETY: the table is open; names are zero-terminated, and copied. Its lock is kept.
        unsafe {
            let known = usize::try_from((*(*opened.table).rd_att).natts).unwrap_or_default();
            let names = columns.iter().map(|&column| {
                if column > known {
                    raise_not_installed();
                }
                let name = &raw const plain_table::attribute(opened.table, column).attname;
                quoted(name.cast())
            });
            let names = names.collect();
            let table = format!("tokenauth.{}", quoted((&raw const (*(*opened.table).rd_rel).relname).cast()));
            pg_sys::table_close(opened.table, pg_sys::NoLock as c_int);
            (table, names)
        }
    }

    /// Raises 09000: what was to be written was not.
    pub(super) fn raise_kept(&self) -> ! {
        kept::raise(self.index().table.to_str().unwrap_or_default())
    }
}

fn run(sql: String, arguments: &[Argument]) -> u64 {
    let sql = CString::new(sql).expect("a statement has no zero byte");
    until_undisturbed(|| run_once(&sql, arguments))
}

/// # Safety
/// `name` must be zero-terminated.
unsafe fn quoted(name: *const std::ffi::c_char) -> String {
    // SAFETY: guaranteed by the caller; the answer is zero-terminated, and copied.
    unsafe { CStr::from_ptr(pg_sys::quote_identifier(name)).to_string_lossy().into_owned() }
}
