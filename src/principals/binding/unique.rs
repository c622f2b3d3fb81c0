//! Whether two rows of a table can be the same principal or membership.
//!
//! The second would override the first: whoever may insert a row with somebody's address would take over the principal.

use super::definition::Definition;
use super::source::Source;
use crate::pg::sql::parts::ColumnParts;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::types::text::Text;

/// Whether a unique index of the table covers the id, or organisation and member together: each column and expression
/// of the index is one of the parts that these are joined from.
///
/// # Errors
/// Raises what the parser raises for expressions that do not fit the table.
pub fn is_unique(definition: &Definition, source: &Source) -> bool {
    // A temporal key (WITHOUT OVERLAPS) is one as well, and lets an id return at other times.
    static INDEXES: Statement = Statement::new(
        "SELECT (string_to_array(i.indkey::text, ' '))[:i.indnkeyatts]::text, i.indexprs::text
           FROM pg_index i
          WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND NOT i.indisexclusion AND i.indpred IS NULL
          ORDER BY i.indexrelid",
    );
    let indexes: Vec<(Text, Option<Text>)> =
        INDEXES.all(arguments![source.table.oid()], |row| (row.required(1), row.optional(2)));
    if indexes.is_empty() {
        return false;
    }
    // Analysing an expression may call functions, such as those that read a literal.
    let _owner = ActingAs::owner_of(source.table.oid());
    let parts = ColumnParts::of(&definition.identity_query(source.qualified.as_bytes(), source.alias.as_bytes()));
    indexes.iter().any(|(columns, expressions)| {
        let columns: Vec<i16> = columns
            .as_bytes()
            .split(|byte| !byte.is_ascii_digit() && *byte != b'-')
            .filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok())
            .collect();
        parts.cover(&columns, expressions.as_ref().map(Text::as_bytes))
    })
}
