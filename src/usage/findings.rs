//! What `doctor()` finds about usage.

use super::slots::DATABASES;
use super::tables;
use super::{in_memory, shared_memory};
use crate::catalog::kind;
use crate::error::finding::Finding;
use crate::error::{Error, ServerError};
use crate::pg::process::database;
use crate::pg::sql::statement::Statement;
use crate::pg::types::clock::Timestamp;
use crate::settings;

/// After how many flush intervals unwritten usage is a finding.
const MISSED: u32 = 3;

/// Checks that usage is counted exactly and written in time, and that rates have effect. The rows of usage are read if
/// `compare`, or if there is reason to.
pub fn findings(compare: bool) -> Vec<Finding> {
    let finding = |object: &str, finding: String, hint: &str| Finding::new("usage", object, &finding, hint);
    let Some(slots) = shared_memory::slots() else {
        let hint = Error::from(ServerError::NotPreloaded("usage")).hint();
        let mut findings =
            vec![finding("shared_preload_libraries", "lacks tokenauth: usage is approximate".to_owned(), &hint)];
        findings.extend(additions());
        findings.extend(kind::all().into_iter().filter(|kind| kind.rate.is_some()).map(|kind| {
            let what = "its rate_limit has no effect: tokenauth is not preloaded".to_owned();
            finding(&format!("kind {}", kind.name.shown()), what, &hint)
        }));
        return findings;
    };
    let mut findings = Vec::new();
    let database = in_memory::database(slots);
    if database.is_none() {
        findings.push(finding(
            "tokenauth launcher",
            format!("usage of this database is not counted: {DATABASES} others of this server have usage"),
            "Drop databases that are not needed; their places become free within an hour.",
        ));
    }
    let waits_for = database
        .filter(|_| !database::is_in_recovery() && !settings::reader())
        .and_then(|database| Timestamp::of_micros(database.waiting_since()?))
        .map(|since| Timestamp::now().micros_since(since) / 1_000_000);
    let patience = (settings::usage_flush_interval() * MISSED).as_secs().cast_signed();
    if let Some(seconds) = waits_for.filter(|&seconds| seconds > patience) {
        findings.push(finding(
            "tokenauth launcher",
            format!("usage has waited {seconds} seconds to be written to tables"),
            "The server's log says why; max_worker_processes must leave room for the launcher and one worker.",
        ));
    }
    let (dropped, evicted) = (slots.dropped(), slots.evicted());
    // Evictions without drops lose nothing.
    if dropped > 0 {
        findings.push(finding(
            "tokenauth.usage_slots",
            format!(
                "memory was short since the server started: {dropped} uses were not counted, and {evicted} times a \
                 token gave its place to another before its usage was written"
            ),
            "Raise tokenauth.usage_slots above the number of tokens used at about the same time, and see whether the \
             worker can write them: it needs a place among max_worker_processes, and no lock on tokenauth.usage.",
        ));
    }
    let ahead = if compare || tables::were_written_ahead_of_clock() { tables::ahead_of_clock() } else { 0 };
    if ahead > 0 {
        findings.push(finding(
            "tokenauth.usage",
            format!("{ahead} tokens were last used in the future: the clock was set back since"),
            "Their next use corrects it; for those that are not used again, do so by hand.",
        ));
    }
    findings
}

/// What somebody has put on the table of usage so that verification, which writes it without an executor, does not.
fn additions() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "WITH addition (classid, objid, objsubid) AS (
             SELECT 'pg_class'::regclass, indexrelid, 0 FROM pg_index
              WHERE indrelid = 'tokenauth.usage'::regclass
                AND (indexprs IS NOT NULL OR indpred IS NOT NULL OR indisexclusion OR indisunique AND NOT indisprimary)
             UNION ALL
             SELECT 'pg_trigger'::regclass, oid, 0 FROM pg_trigger
              WHERE tgrelid = 'tokenauth.usage'::regclass AND NOT tgisinternal
             UNION ALL
             SELECT 'pg_rewrite'::regclass, oid, 0 FROM pg_rewrite WHERE ev_class = 'tokenauth.usage'::regclass
             UNION ALL
             SELECT 'pg_constraint'::regclass, oid, 0 FROM pg_constraint
              WHERE conrelid = 'tokenauth.usage'::regclass AND contype = 'c'
             UNION ALL
             SELECT 'pg_class'::regclass, attrelid, attnum FROM pg_attribute
              WHERE attrelid = 'tokenauth.usage'::regclass AND attgenerated = 's' AND NOT attisdropped)
         SELECT pg_describe_object(classid, objid, objsubid) FROM addition ORDER BY 1",
    );
    FIND.all(&[], |row| Finding {
        area: "usage",
        object: row.required(1),
        finding: "while it exists, usage is not counted: tokenauth is not preloaded".into(),
        hint: "Drop it, or add \"tokenauth\" to shared_preload_libraries and restart the server.".into(),
    })
}
