//! `scan_column`: tokens that somebody has pasted into a column of the application.
//!
//! The column is read by a query that runs as the caller, with his privileges and row security, and streams: in memory are
//! one value at a time and what is remembered of the tokens met so far. Never answers with a token's text.

mod column;
mod known;

use pgrx::pg_sys::ItemPointerData;
use pgrx::prelude::*;

use crate::argument;
use crate::error::{Error, ErrorReport};
use crate::pg::answer::Answer;
use crate::pg::encoding;
use crate::pg::row::Row;
use crate::pg::statement::fields;
use crate::pg::table::{ColumnName, Table, TextForm};
use crate::token::{Presented, embedded};
use column::Column;
use known::Known;

/// Finds tokens in a column of a table, partitioned table, foreign table or view: one row for each, in the order of the
/// table.
///
/// Columns: `relation`, the table, partition or view; `row_ctid`, the row in it as long as nobody changes it, NULL in views and
/// foreign tables, and for whom the privilege to read covers the column and neither the table nor its `ctid` and `tableoid`,
/// when `relation` is always the table that was named; `position`, of the token's first character in the column's text, counted from 1, in a
/// `bytea` of its first byte; `hint`; `status` as in `tokenauth.tokens`, `revoked` for deleted ones, too, and `unknown` for a
/// token that is well formed and not one of this database; and, unless it is unknown, `owner`, `kind` and `token_id`. Imported tokens have no form to be found by.
///
/// # Errors
/// `22004` for a NULL argument, `42P01` and `42703` for what does not exist, `42804` for a column that holds no text, `42501`
/// where the caller may not read it; `55000` when a token's digest has a pepper that is not in the key file.
// Written by hand, since pgrx names no columns of a set that is put row by row, and "position" has to be quoted.
#[pg_extern(
    schema = "tokenauth",
    requires = ["views"],
    sql = r#"
CREATE FUNCTION tokenauth.scan_column(source regclass, col name)
RETURNS TABLE (
    relation regclass,
    row_ctid tid,
    "position" integer,
    hint text,
    status text,
    owner text,
    kind text,
    token_id uuid
)
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'scan_column_wrapper';
"#
)]
fn scan_column(source: Option<Table>, col: Option<ColumnName>, answer: Answer) -> Result<Answer, ErrorReport> {
    let source = argument::given("source", source)?;
    let name = argument::given("col", col)?;
    let column = Column::find(source, name.text())?;
    let mut scan = Scan { form: column.form, known: Known::default(), answer };
    column.query().each(None, |row| scan.row(row))?;
    Ok(scan.answer)
}

struct Scan {
    form: TextForm,
    known: Known,
    answer: Answer,
}

impl Scan {
    fn row(&mut self, row: &Row) -> Result<(), Error> {
        let Some(text) = row.bytes(column::TEXT) else {
            return Ok(());
        };
        // Most rows hold none, and for those nothing is allocated.
        let mut found: Vec<_> = embedded::find(text).collect();
        found.reverse();
        let (mut counted, mut position) = (0, 1);
        for token in found {
            position += self.length(&text[counted..token.start]);
            counted = token.start;
            // Of what is found, a checksum is right and nothing else is wrong: it parses.
            let Ok(presented) = Presented::parse(&text[token]) else {
                continue;
            };
            let whose = self.known.whose(&presented)?;
            self.answer.put(fields![
                row.optional::<Table>(column::RELATION),
                row.optional::<ItemPointerData>(column::CTID),
                i32::try_from(position).unwrap_or(i32::MAX),
                encoding::hint(presented.hint()),
                whose.status,
                whose.owner,
                whose.kind,
                whose.id,
            ]);
        }
        Ok(())
    }

    /// In the unit in which positions are told.
    fn length(&self, bytes: &[u8]) -> usize {
        match self.form {
            TextForm::Cast => encoding::characters(bytes),
            TextForm::Bytes => bytes.len(),
        }
    }
}
