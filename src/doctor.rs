//! `doctor()`: what is not as it ought to be, and what to do about it.

use pgrx::prelude::*;

use crate::binding;
use crate::error::ErrorReport;
use crate::keys;
use crate::pg::encoding;
use crate::pg::text::Text;

/// What is the matter, where, and what to do about it.
pub struct Finding {
    /// What was looked at.
    pub area: &'static str,
    /// Where.
    pub object: String,
    /// What is the matter.
    pub finding: String,
    /// What to do about it.
    pub hint: String,
}

/// Tells what is not as it ought to be, one row for each finding; none when all is well.
///
/// Columns: `area`, what was looked at; `object`, where; `finding`, what is the matter; `hint`, what to do about it.
///
/// It looks at bindings: whether each trigger is there and as it was installed, whether each row is a principal or a
/// membership as the binding says, and whether each of these has a row. For that it reads every bound table, its
/// expressions run as the owner of the table. And at keys: whether the key file can be used, and has every key that tokens
/// need.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn doctor() -> Result<
    TableIterator<'static, (name!(area, Text), name!(object, Text), name!(finding, Text), name!(hint, Text))>,
    ErrorReport,
> {
    let mut findings = binding::findings();
    findings.extend(keys::faults().into_iter().map(|fault| Finding {
        area: "keys",
        object: "tokenauth.key_file".to_owned(),
        finding: fault.whole(),
        hint: fault.hint(),
    }));
    let text = |text: String| Text::from(encoding::from_utf8(&text));
    Ok(TableIterator::new(
        findings
            .into_iter()
            .map(move |found| (Text::from(found.area), text(found.object), text(found.finding), text(found.hint))),
    ))
}
