//! `scan_column`: finds tokens that somebody has pasted into a column of the application.
//!
//! A query that runs with the caller's privileges and row security reads the column, and streams: only one value at a
//! time, and what is cached of the tokens found so far, are in memory. No token's text is ever returned.

mod column;
mod known;

use pgrx::pg_sys::ItemPointerData;
use pgrx::prelude::*;

use crate::arguments;
use crate::arguments::caller::Caller;
use crate::error::{Error, ErrorReport};
use crate::pg::function::answer::Answer;
use crate::pg::function::call::Call;
use crate::pg::report::progress;
use crate::pg::scan::relation::{ColumnName, Table, TextForm};
use crate::pg::sql::statement::fields;
use crate::pg::transaction::guc_scope::{GucScope, SEARCH_PATH};
use crate::pg::types::encoding;
use crate::pg::types::row::Row;
use crate::token::derived::DerivedText;
use crate::token::{Presented, embedded};
use column::Column;
use known::KnownTokens;

/// Finds tokens in a column of a table or view: where each is, and whose it is.
///
/// The column holds text, JSON, XML or `bytea`. Rows come in the order of the table. `row_ctid` is NULL and `relation`
/// is `source` itself in views and foreign tables, and for a caller whose privileges cover neither the table nor its
/// columns `ctid` and `tableoid`. Imported tokens have no form by which to find them. Of a derived token, what is told
/// is that of the one that it was derived from. A NOTICE tells of each million of rows.
///
/// # Arguments
/// - `source`: a table, partitioned table, foreign table or view
/// - `col`: the column
///
/// # Returns
/// - `relation`: the table, partition or view
/// - `row_ctid`: the row in it, until somebody changes it
/// - `position`: that of the token's first character (in a `bytea`, its first byte) in the value, counted from 1
/// - `hint`: enough of the text to recognise it
/// - `status`: as in `tokenauth.tokens`, but `revoked` for a deleted token and `unknown` for a well-formed one that is
///   not of this database
/// - `owner`: the principal it acts for; NULL if unknown
/// - `kind`: the kind it belongs to; NULL if unknown
/// - `token_id`: its id; NULL if unknown
///
/// # Errors
/// `22004` for a NULL argument, `42P01` and `42703` for a table or column that does not exist, `42804` for a column
/// that holds no text, `42501` when the caller may not read it; `55000` when a token's digest has a pepper that is not
/// in the key file.
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// CREATE TABLE ticket AS SELECT 1 AS id, 'my key is ' || :'token' AS body;
/// SELECT t.id, s.position, s.status, s.owner
///   FROM tokenauth.scan_column('ticket', 'body') s JOIN ticket t ON t.ctid = s.row_ctid;
/// ```
// Written by hand, since pgrx does not name the columns of a set returned row by row, and "position" must be quoted.
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
AS 'MODULE_PATHNAME', 'scan_column_wrapper';
"#
)]
fn scan_column(
    call: Call,
    source: Option<Table>,
    col: Option<ColumnName>,
    answer: Answer,
) -> Result<Answer, ErrorReport> {
    Caller::enter(call)?;
    let _path = GucScope::set(&[SEARCH_PATH]);
    let source = arguments::given("source", source)?;
    let name = arguments::given("col", col)?;
    let column = Column::find(source, name.text())?;
    let mut scan = ColumnScan { form: column.form, known: KnownTokens::default(), answer };
    let mut rows = 0;
    column.query().each(&[], |row| {
        rows += 1;
        progress::read(rows, || column.table_name());
        scan.row(row)
    })?;
    Ok(scan.answer)
}

struct ColumnScan {
    form: TextForm,
    known: KnownTokens,
    answer: Answer,
}

impl ColumnScan {
    fn row(&mut self, row: &Row) -> Result<(), Error> {
        let Some(text) = row.bytes(column::TEXT) else {
            return Ok(());
        };
        // Allocates nothing for a row without tokens, as most are.
        let mut found: Vec<_> = embedded::find(text).collect();
        found.reverse();
        let (mut counted, mut position) = (0, 1);
        for token in found {
            position += self.length(&text[counted..token.start]);
            counted = token.start;
            let token = &text[token];
            let (hint, whose) = match Presented::parse(token) {
                Ok(presented) => (presented.hint(), self.known.whose(&presented)?),
                // What only looks like a derived token is none.
                Err(_) => match DerivedText::parse(token) {
                    Ok(child) => (child.hint(), self.known.whose_child(token)?),
                    Err(_) => continue,
                },
            };
            self.answer.put(fields![
                row.optional::<Table>(column::RELATION),
                row.optional::<ItemPointerData>(column::CTID),
                i32::try_from(position).unwrap_or(i32::MAX),
                encoding::hint(hint),
                whose.status,
                whose.owner,
                whose.kind,
                whose.id,
            ]);
        }
        Ok(())
    }

    /// The length in the unit of `position`.
    fn length(&self, bytes: &[u8]) -> usize {
        match self.form {
            TextForm::Cast => encoding::characters(bytes),
            TextForm::Bytes => bytes.len(),
        }
    }
}
