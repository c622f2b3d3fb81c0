//! `doctor()`: reports what is not as it should be, and what to do about it.

mod citus;
mod fence;
mod indexes;
mod locks;
mod principals;
mod readers;
mod schema;
mod triggers;
mod versions;

use std::collections::BTreeMap;

use pgrx::prelude::*;

use super::idle_tokens;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::error::finding::Finding;
use crate::error::{Error, ErrorReport};
use crate::keys;
use crate::pg::function::call::Call;
use crate::pg::sql::statement::{Argument, Statement};
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;
use crate::principals::binding;
use crate::usage;

/// Lists what is not as it ought to be, and what to do about it, the most urgent first.
///
/// It examines bindings: whether each trigger exists as it was installed, whether each row agrees with its principal
/// or membership, and whether each of these has a row; for that it reads every bound table and runs its expressions as
/// the owner of the table. Locks: who makes a deactivation wait. Readers: whether publications, subscriptions and beats
/// are such that copies know what dies. The fence: whether this server is behind it, and whether its file is written.
/// Keys: whether the key file is usable and has every key that tokens need. Principals: whether somebody has deleted or
/// written their rows by hand, so that they do not know of deaths. The schema: whether functions, triggers and indexes
/// are as they were installed, with no others among them, and whether a trigger, a rule or a policy of somebody's may
/// keep rows from being written; without an index that rows are read by, it tells that alone. Versions: whether the
/// loaded library, the extension in this database and the installed files are of one. And usage: whether it has shared
/// memory, whether that is large enough, and whether it is written to tables in time and none of it is ahead of the
/// clock. What comes first keeps a deactivation from its tokens.
///
/// A NOTICE tells of each table whose rows are compared, and of each million of rows.
///
/// # Arguments
/// - `compare`: false leaves out what reads whole tables: the comparison of rows with those of bound tables, that of
///   principals with the deaths of their tokens, and the search for uses ahead of the clock where no batch of usage was
///   written ahead of it
///
/// # Errors
/// `22004` for NULL.
///
/// # Returns
/// - `area`: what was examined
/// - `object`: the object concerned
/// - `finding`: what is wrong
/// - `hint`: what to do about it
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active');
/// ALTER TABLE customer DISABLE TRIGGER USER;
/// UPDATE customer SET is_active = false;
/// SELECT object, finding FROM tokenauth.doctor() WHERE area = 'binding';
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn doctor(
    call: Call,
    compare: default!(Option<bool>, "true"),
) -> Result<
    TableIterator<'static, (name!(area, Text), name!(object, Text), name!(finding, Text), name!(hint, Text))>,
    ErrorReport,
> {
    let caller = Caller::enter(call)?;
    let compare = arguments::given("compare", compare)?;
    let mut found = citus::findings();
    // With tables that are another's nothing else can be asked.
    if found.is_empty() {
        let _owner = caller.act_as_owner();
        found = findings(compare);
    }
    Ok(TableIterator::new(
        found.into_iter().map(|found| (Text::from(found.area), found.object, found.finding, found.hint)),
    ))
}

/// How many findings there are in each area, without those for which whole tables are read.
pub fn counts() -> BTreeMap<&'static str, i64> {
    const AREAS: [&str; 6] = ["binding", "locks", "keys", "schema", "version", "usage"];
    let mut counts: BTreeMap<&str, i64> = AREAS.into_iter().map(|area| (area, 0)).collect();
    for found in findings(false) {
        *counts.entry(found.area).or_default() += 1;
    }
    counts
}

/// All findings, the most urgent first: what keeps a deactivation from its tokens, then what makes calls fail, what
/// somebody may have tampered with, and what counts are worth; those for which whole tables are read only if `compare`.
pub fn findings(compare: bool) -> Vec<Finding> {
    let (needed_indexes, other_indexes) = indexes::findings();
    if !needed_indexes.is_empty() {
        // What else there may be cannot be found without them.
        return needed_indexes;
    }
    let mut findings = binding::findings(compare);
    findings.extend(locks::findings());
    findings.extend(readers::findings());
    findings.extend(fence::findings());
    findings.extend(
        keys::faults()
            .into_iter()
            .map(Error::from)
            .map(|fault| Finding::new("keys", "tokenauth.key_file", &fault.whole(), &fault.hint())),
    );
    if compare {
        findings.extend(principals::findings());
    }
    findings.extend(schema::findings());
    findings.extend(other_indexes);
    findings.extend(versions::findings());
    findings.extend(usage::findings(compare));
    findings.extend(idle_tokens::findings());
    findings
}

/// The findings in an area by a statement that answers with the object, what is wrong with it, and what to do.
fn found(area: &'static str, statement: &Statement, arguments: &[Argument]) -> Vec<Finding> {
    let read = |row: &Row| Finding { area, object: row.required(1), finding: row.required(2), hint: row.required(3) };
    statement.all(arguments, read)
}
