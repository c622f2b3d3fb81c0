//! Finds principals whose rows somebody has deleted or written by hand: they no longer know of deaths that they should.
//!
//! Whatever of ours puts a principal takes over what is remembered of its epochs, so that its tokens stay dead.

use crate::error::finding::Finding;
use crate::pg::sql::statement::{Statement, arguments};

/// How many of each sort are shown.
const MOST_SHOWN: i64 = 100;

/// All such principals, or so many that somebody will look; reads all tokens and all mass deaths.
pub fn findings() -> Vec<Finding> {
    let mut findings = absent();
    findings.extend(behind());
    findings
}

/// Owners of tokens that have no row.
fn absent() -> Vec<Finding> {
    static FIND: Statement = Statement::of_all(
        "SELECT DISTINCT t.owner
           FROM tokenauth.token t
          WHERE NOT EXISTS (SELECT FROM tokenauth.principal p WHERE p.principal = t.owner)
          ORDER BY t.owner
          LIMIT $1",
    );
    FIND.all(arguments![MOST_SHOWN], |row| Finding {
        area: "principals",
        object: row.required(1),
        finding: "owns tokens and has no row, so that they are unknown: it was deleted by hand".into(),
        hint:
            "Use tokenauth.put_principal(), or sync_principals() for a bound table: they are dead then, and new ones \
               can be issued. Then use tokenauth.drop_principal() if it is to be gone."
                .into(),
    })
}

/// Principals whose rows say less than the deaths that are recorded, or than the tokens that were issued to them: these
/// tell it too once a purge has removed the records of the deaths before.
fn behind() -> Vec<Finding> {
    static FIND: Statement = Statement::of_all(
        "SELECT p.principal
           FROM tokenauth.principal p
           JOIN (SELECT owner, max(epoch) AS last, max(epoch) FILTER (WHERE covers = 'all') AS last_of_all
                   FROM tokenauth.mass_death GROUP BY owner) m ON m.owner = p.principal
          WHERE m.last > least(p.epoch, p.revocable_dead_before_epoch) OR m.last_of_all > p.all_dead_before_epoch
          UNION
         SELECT p.principal
           FROM tokenauth.principal p
           JOIN (SELECT owner, max(owner_epoch) AS last FROM tokenauth.token GROUP BY owner) t ON t.owner = p.principal
          WHERE t.last > p.epoch
          ORDER BY principal
          LIMIT $1",
    );
    FIND.all(arguments![MOST_SHOWN], |row| Finding {
        area: "principals",
        object: row.required(1),
        finding: "does not know of a death of its tokens: its row was written by hand".into(),
        hint: "Use tokenauth.revoke_all(owner => …), after which all of them are dead.".into(),
    })
}
