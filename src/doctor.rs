//! `doctor()`: what is not as it ought to be, and what to do about it.

mod locks;
mod schema;

use pgrx::prelude::*;

use crate::binding;
use crate::error::ErrorReport;
use crate::keys;
use crate::pg::encoding;
use crate::pg::text::Text;
use crate::usage;

/// What is the matter, where, and what to do about it.
pub struct Finding {
    /// What was looked at.
    pub area: &'static str,
    /// Where.
    pub object: Text,
    /// What is the matter.
    pub finding: Text,
    /// What to do about it.
    pub hint: Text,
}

impl Finding {
    /// Of text in UTF-8.
    pub fn new(area: &'static str, object: &str, finding: &str, hint: &str) -> Self {
        let text = |text| Text::from(encoding::from_utf8(text));
        Finding { area, object: text(object), finding: text(finding), hint: text(hint) }
    }
}

/// Tells what is not as it ought to be, one row for each finding; none when all is well.
///
/// Columns: `area`, what was looked at; `object`, where; `finding`, what is the matter; `hint`, what to do about it.
///
/// It looks at bindings: whether each trigger is there and as it was installed, whether each row is a principal or a
/// membership as the binding says, and whether each of these has a row. For that it reads every bound table, its
/// expressions run as the owner of the table. At keys: whether the key file can be used, and has every key that tokens need.
/// At the schema: whether functions and triggers are as they were installed, and no others among them. At locks: who makes a
/// deactivation wait. And at usage: whether there is shared memory for it, whether it is large enough and written to tables
/// in time.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn doctor() -> Result<
    TableIterator<'static, (name!(area, Text), name!(object, Text), name!(finding, Text), name!(hint, Text))>,
    ErrorReport,
> {
    Ok(TableIterator::new(
        findings().into_iter().map(|found| (Text::from(found.area), found.object, found.finding, found.hint)),
    ))
}

/// All findings.
pub fn findings() -> Vec<Finding> {
    let mut findings = binding::findings();
    findings.extend(
        keys::faults().iter().map(|fault| Finding::new("keys", "tokenauth.key_file", &fault.whole(), &fault.hint())),
    );
    findings.extend(schema::findings());
    findings.extend(locks::findings());
    findings.extend(usage::findings());
    findings
}
