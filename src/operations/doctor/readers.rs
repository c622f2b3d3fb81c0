//! Checks what readers and standbys rely on: publications and beats on the primary, the subscription and the clock on a
//! reader, and whom a death waits for.

use std::time::Duration;

use super::found;
use crate::catalog::heartbeat;
use crate::catalog::publication::{KEPT, PUBLISHED, left_out};
use crate::error::finding::Finding;
use crate::pg::process::{database, shared_memory};
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::transaction::xact::Awaited;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::settings;

/// After how long a beat that has not come is a finding: five are late then.
const LATE: Duration = Duration::from_secs(10);

/// By how much clocks may differ unnoticed.
const ASTRAY: Duration = Duration::from_secs(1);

/// Everything that is not as copies need it.
pub fn findings() -> Vec<Finding> {
    let is_reader = settings::reader();
    let mut findings = publications();
    findings.extend(subscriptions(is_reader));
    findings.extend(missing_tables());
    findings.extend(bound_tables(is_reader));
    findings.extend(beats(is_reader));
    if !database::is_in_recovery() && settings::death_commit() == Awaited::Apply {
        findings.extend(unawaited());
    }
    findings
}

/// Publications of our tables that readers cannot follow, or that leave something out.
fn publications() -> Vec<Finding> {
    static FIND: Statement = Statement::new(concat!(
        "WITH ",
        left_out!(),
        ",
         wrong AS (
             SELECT pubname, 1 AS place,
                    'publishes ' || (SELECT string_agg(t, ', ' ORDER BY t) FROM unnest(tables) t WHERE t = ANY ($2))
                    || ', which readers write themselves: replication stops at the first conflict' AS finding
               FROM ours
             UNION ALL
             SELECT * FROM left_out)
         SELECT format('publication %I', pubname), finding,
                CASE WHEN (SELECT puballtables FROM ours o WHERE o.pubname = w.pubname)
                     THEN 'Let readers subscribe to another one, made by tokenauth.make_publication().'
                     ELSE format('Use tokenauth.make_publication(%L).', pubname) END
           FROM wrong w WHERE finding IS NOT NULL
          ORDER BY pubname, place",
    ));
    found("readers", &FIND, &lists())
}

/// Subscriptions to our tables: by whom they must not be, and those that bring nothing.
fn subscriptions(is_reader: bool) -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "WITH ours AS (
             SELECT s.oid, s.subname, s.subenabled, s.subsynccommit,
                    count(*) FILTER (WHERE r.srsubstate NOT IN ('s', 'r')) AS copying,
                    (SELECT string_agg(c.relname, ', ' ORDER BY c.relname)
                       FROM pg_subscription_rel k JOIN pg_class c ON c.oid = k.srrelid
                      WHERE k.srsubid = s.oid AND c.relnamespace = 'tokenauth'::regnamespace
                        AND c.relname = ANY ($3)) AS kept
               FROM pg_subscription s
               JOIN pg_subscription_rel r ON r.srsubid = s.oid
               JOIN pg_class c ON c.oid = r.srrelid
              WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND c.relnamespace = 'tokenauth'::regnamespace
              GROUP BY s.oid, s.subname, s.subenabled, s.subsynccommit),
         wrong AS (
             SELECT subname, 1 AS place,
                    'brings tables of the extension to a database that is no reader: what is changed here, the '
                    'primary''s next change undoes or stops at' AS finding,
                    format('Use ALTER DATABASE %I SET tokenauth.reader = on.', current_database()) AS hint
               FROM ours WHERE NOT $1
             UNION ALL
             SELECT subname, 2, 'is disabled: nothing that dies on the primary is known here',
                    format('Use ALTER SUBSCRIPTION %I ENABLE; the server''s log says what had disabled it.', subname)
               FROM ours WHERE NOT subenabled
             UNION ALL
             SELECT subname, 3, 'does not run: nothing that dies on the primary is known here',
                    'The server''s log says why.'
               FROM ours
              WHERE subenabled AND NOT pg_is_in_recovery()
                AND NOT EXISTS (SELECT FROM pg_stat_subscription t
                                 WHERE t.subid = ours.oid AND t.relid IS NULL AND t.pid IS NOT NULL)
             UNION ALL
             SELECT subname, 4, format('is still copying %s tables, which are as old as the beginning of their copy',
                                       copying),
                    'Wait until it is done before tokens are verified here; tokenauth.max_staleness sees to that.'
               FROM ours WHERE copying > 0
             UNION ALL
             SELECT subname, 5, 'has synchronous_commit off: where it is a synchronous standby, each death waits for '
                                'this server''s WAL writer',
                    format('Use ALTER SUBSCRIPTION %I SET (synchronous_commit = on).', subname)
               FROM ours WHERE subsynccommit = 'off'
             UNION ALL
             SELECT subname, 6,
                    format('brings %s, which this server writes itself: it stops at the first conflict', kept),
                    'On the primary use tokenauth.make_publication(), and subscribe to that.'
               FROM ours WHERE kept IS NOT NULL)
         SELECT format('subscription %I', subname), finding, hint FROM wrong
         UNION ALL
         SELECT 'tokenauth.reader', 'is on, and no subscription brings the primary''s tables',
                'Create a subscription to what tokenauth.make_publication() has made on the primary, or turn it off.'
          WHERE $1 AND NOT EXISTS (SELECT FROM ours)
          ORDER BY 1, 2",
    );
    let [published, kept] = lists();
    found("readers", &FIND, &[Argument::of(is_reader), published, kept])
}

/// Tables that verification reads and that a subscription to others of them does not bring, or another one too: what
/// arrives by one tells nothing of what arrives by another.
fn missing_tables() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT format('subscription %I', s.subname),
                format('does not bring %s', string_agg(t.name, ', ' ORDER BY t.name)),
                format('On the primary use tokenauth.make_publication(), then here '
                       'ALTER SUBSCRIPTION %I REFRESH PUBLICATION.', s.subname)
           FROM pg_subscription s
          CROSS JOIN unnest($1) t (name)
          WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND EXISTS (SELECT FROM pg_subscription_rel r JOIN unnest($1) p (name)
                               ON r.srrelid = to_regclass('tokenauth.' || p.name)
                         WHERE r.srsubid = s.oid)
            AND to_regclass('tokenauth.' || t.name) IS NOT NULL
            AND NOT EXISTS (SELECT FROM pg_subscription_rel r
                             WHERE r.srsubid = s.oid AND r.srrelid = to_regclass('tokenauth.' || t.name))
          GROUP BY s.subname
         UNION ALL
         SELECT 'tokenauth.' || t.name,
                format('is brought by %s', string_agg(format('%I', s.subname), ' and ' ORDER BY s.subname)),
                'Let one subscription bring all that tokenauth.make_publication() has made on the primary.'
           FROM unnest($1) t (name)
           JOIN pg_subscription_rel r ON r.srrelid = to_regclass('tokenauth.' || t.name)
           JOIN pg_subscription s ON s.oid = r.srsubid
          GROUP BY t.name HAVING count(*) > 1
          ORDER BY 1",
    );
    let [published, _] = lists();
    found("readers", &FIND, &[published])
}

/// Bound tables of a reader, whose principals come from the primary.
fn bound_tables(is_reader: bool) -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT DISTINCT t.tgrelid::regclass::text,
                'is bound on a reader: its triggers refuse changes made here, and make nothing of those that are '
                'applied',
                format('SET tokenauth.reader = off in a session, and use tokenauth.unbind_principals(%L).',
                       t.tgrelid::regclass::text)
           FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
          WHERE p.pronamespace = 'tokenauth'::regnamespace AND p.proname = 'sync_principal' AND t.tgparentid = 0
          ORDER BY 1",
    );
    if is_reader { found("readers", &FIND, &[]) } else { Vec::new() }
}

/// Beats that do not come, come from another time, or cannot be believed any more.
fn beats(is_reader: bool) -> Option<Finding> {
    let finding = |finding: &str, hint: &str| Some(Finding::new("readers", "tokenauth.heartbeat", finding, hint));
    let snapshot = LatestSnapshot::take();
    if is_reader && let Some(gap) = heartbeat::gap(&snapshot) {
        let hint = "Empty the tables that are published here, and let a new subscription copy them.";
        return finding(&format!("lacks changes of its primary. {}", gap.shown().trim_end_matches('.')), hint);
    }
    let newest = heartbeat::newest(&snapshot);
    let age = newest.map(|at| Timestamp::now().micros_since(at));
    let is_late = age.is_none_or(|age| age > micros(LATE));
    let so_far = match age {
        None => "yet".to_owned(),
        Some(age) => format!("for {} seconds", age / 1_000_000),
    };
    if let Some(ahead) = age.map(i64::wrapping_neg).filter(|ahead| *ahead > micros(ASTRAY)) {
        let what = format!("the newest beat is {} ms ahead of this server's clock", ahead / 1000);
        return finding(&what, "Set the clocks of this server and its primary; deaths may be known later by as much.");
    }
    if is_reader {
        let hint = "See the findings about its subscription; the primary must have the library preloaded.";
        return if is_late { finding(&format!("no beat of the primary has arrived {so_far}"), hint) } else { None };
    }
    if is_late && !database::is_in_recovery() && heartbeat::is_needed(settings::heartbeat()) {
        let hint = if shared_memory::slots().is_some() {
            "The server's log says why; max_worker_processes must leave room for the launcher and one worker."
        } else {
            "Add \"tokenauth\" to shared_preload_libraries and restart the server."
        };
        return finding(&format!("no beat has been written {so_far}: copies take this server for lost"), hint);
    }
    None
}

/// Whom a death that waits until it is applied does not wait for.
fn unawaited() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT 'synchronous_standby_names', 'is empty: tokenauth.death_commit = remote_apply waits for nobody',
                'Name the standbys and readers that verify: FIRST n (…), with n as many as there are.'
          WHERE btrim(current_setting('synchronous_standby_names')) = ''
         UNION ALL
         SELECT 'synchronous_standby_names',
                'is a list by ANY: an acknowledged death is unknown to those not waited for',
                'Use FIRST n (…), with n as many as verify.'
          WHERE btrim(current_setting('synchronous_standby_names')) ~* '^any\\s*[0-9]'
         UNION ALL
         SELECT format('standby %s', coalesce(nullif(application_name, ''), '?')),
                format('is %s: where it verifies, it may not know an acknowledged death', sync_state),
                'Name it in synchronous_standby_names, or set tokenauth.max_staleness there.'
           FROM pg_stat_replication
          WHERE state = 'streaming' AND sync_state IN ('async', 'potential')
            -- Usage of another server was brought in lately, so one verifies.
            AND EXISTS (SELECT FROM tokenauth.usage_batch
                         WHERE node <> $1 AND at > clock_timestamp() - interval '1 day')
          ORDER BY 1, 2",
    );
    let own = shared_memory::slots().map_or([0; 16], |slots| slots.node());
    found("readers", &FIND, arguments![pgrx::Uuid::from_bytes(own)])
}

/// The tables that are published, and those that are not.
fn lists() -> [Argument; 2] {
    let list = |tables: &[&'static str]| Argument::of(tables.iter().copied().collect::<TextArray>());
    [list(&PUBLISHED), list(&KEPT)]
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
