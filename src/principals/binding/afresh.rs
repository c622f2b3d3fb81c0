//! What a bound table says now of the principals or memberships that a trigger's rows are about.
//!
//! The rows are read as the owner of the table: whoever wrote them need not be allowed to read them, and a policy may
//! hide them from everybody else. Nothing of the application runs then but, at most, what compares columns of the
//! server's own types. Its expressions are evaluated over what was read as they are over a trigger's rows, by whoever
//! wrote the table.

use super::changes::{Changes, fields_of, subjects};
use super::definition::Definition;
use super::evaluation::Evaluation;
use super::source::Source;
use crate::error::Error;
use crate::pg::function::trigger::Fired;
use crate::pg::sql::expression::column_reference;
use crate::pg::sql::query::Query;
use crate::pg::sql::rows::Rows;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::types::text::Text;

/// Adds what `table` says of those whose rows a trigger was given. Who had a row that is deleted or has another id now
/// is gone all the same, even if the table has a row of that name again: that begins anew.
///
/// # Errors
/// Those of expressions, 22004 for a NULL name, 22023 for a malformed one.
pub fn changes(evaluation: &Evaluation, fired: &Fired, table: &Source) -> Result<Changes, Error> {
    let mut changes = evaluation.no_changes();
    let mut names = subjects(c"tokenauth_names");
    match fired {
        Fired::Insert(new) => evaluation.each_subject(new, |subject| names.put(fields_of(&subject)))?,
        Fired::Update { old, new } => evaluation.each_change(old, new, |former, subject| {
            if let Some(former) = former.filter(|former| *former != subject) {
                names.put(fields_of(&former));
                changes.gone(&former);
            }
            names.put(fields_of(&subject));
        })?,
        Fired::Delete(old) => evaluation.each_former(Some(old), |subject| {
            names.put(fields_of(&subject));
            changes.gone(&subject);
        })?,
        Fired::TruncateBegins | Fired::Truncated => return Ok(changes),
    }
    names.count();
    let mut rows = read(evaluation.definition(), table, &names)?;
    rows.count();
    evaluation.put_named(table, &rows, &names, &mut changes)?;
    changes.rest_gone(&names);
    Ok(changes)
}

/// The rows of the table with these names, and perhaps others.
fn read(definition: &Definition, table: &Source, names: &Rows) -> Result<Rows, Error> {
    let (condition, runs_expressions) = match by_columns(definition, table) {
        Some(condition) => (condition, false),
        None if may_read(table) => (by_expressions(definition), true),
        None => (Vec::new(), false),
    };
    let sql = [
        b"SELECT CAST(ROW(",
        table.alias.as_bytes(),
        b".*) AS ",
        table.qualified.as_bytes(),
        b") FROM ",
        table.qualified.as_bytes(),
        b" AS ",
        table.alias.as_bytes(),
        &condition,
    ]
    .concat();
    let _owner = (!runs_expressions).then(|| ActingAs::owner_of(table.table.oid()));
    let mut rows = Rows::of_table(c"tokenauth_rows", table.table.oid());
    let query = Query::prepare_once(&sql, &[names]);
    let read: Result<(), Error> = query.each(&[names], |row| {
        rows.put_whole(row);
        Ok(())
    });
    read.map(|()| rows)
}

/// The condition for those rows whose columns have the values that the names show: an index on such a column finds
/// them. `None` where no name is as simple as a column, perhaps behind a constant text.
fn by_columns(definition: &Definition, table: &Source) -> Option<Vec<u8>> {
    // Types with one text for each value, so that from the text of one the same value can be read.
    static DESCRIBE: Statement = Statement::new(
        "SELECT quote_ident(a.attname), format('pg_catalog.%I', t.typname)
           FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
          WHERE a.attrelid = $1 AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped
            AND a.atttypid = ANY ('{smallint,integer,bigint,uuid,text,varchar}'::regtype[])",
    );
    let mut columns: Vec<Vec<u8>> = Vec::new();
    let mut values: Vec<Vec<u8>> = Vec::new();
    for name in definition.names() {
        let Some(reference) = column_reference(name.expression.as_bytes()) else { continue };
        let described = DESCRIBE.first(arguments![table.table.oid(), Text::from(reference.column)], |row| {
            [row.required::<Text>(1), row.required::<Text>(2)]
        });
        if let Some([column, sql_type]) = described {
            let prefix = [name.prefix.as_bytes(), &reference.prefix].concat();
            columns.push([table.alias.as_bytes(), b".", column.as_bytes()].concat());
            values
                .push([b"CAST(", behind(&prefix, name.column).as_slice(), b" AS ", sql_type.as_bytes(), b")"].concat());
        }
    }
    (!columns.is_empty()).then(|| among(&columns, &values))
}

/// The condition for those rows whose expressions have the values that the names show: an index on them finds these.
fn by_expressions(definition: &Definition) -> Vec<u8> {
    let names = definition.names();
    let expressions: Vec<Vec<u8>> =
        names.iter().map(|name| [b"CAST((\n", name.expression.as_bytes(), b"\n) AS text)"].concat()).collect();
    let values: Vec<Vec<u8>> = names.iter().map(|name| behind(name.prefix.as_bytes(), name.column)).collect();
    among(&expressions, &values)
}

fn among(expressions: &[Vec<u8>], values: &[Vec<u8>]) -> Vec<u8> {
    let listed = |all: &[Vec<u8>]| all.join(&b", "[..]);
    [b" WHERE (", listed(expressions).as_slice(), b") IN (SELECT ", &listed(values), b" FROM tokenauth_names n)"]
        .concat()
}

/// The expression for what stands behind a prefix in a column of `tokenauth_names`.
fn behind(prefix: &[u8], column: &str) -> Vec<u8> {
    let quoted: Vec<u8> = prefix
        .iter()
        .flat_map(|byte| if *byte == b'\'' { &b"''"[..] } else { std::slice::from_ref(byte) })
        .copied()
        .collect();
    [format!("substr(n.{column}, 1 + length('").as_bytes(), &quoted, b"'))"].concat()
}

/// Whether the current user may read all columns and all rows of the table.
fn may_read(table: &Source) -> bool {
    static MAY_READ: Statement =
        Statement::new("SELECT has_table_privilege($1, 'SELECT') AND NOT row_security_active($1)");
    MAY_READ.first(arguments![table.table.oid()], |row| row.required(1)).unwrap_or(false)
}
