//! `make_publication`: what readers subscribe to.

use pgrx::prelude::*;

use crate::access::actor::refuse_identity;
use crate::access::sql_privileges::refuse_all_but_owner;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::heartbeat;
use crate::catalog::publication::{PUBLISHED, left_out};
use crate::error::{Error, ErrorReport, ReplicationError, ServerError};
use crate::pg::function::call::Call;
use crate::pg::report::message;
use crate::pg::sql::statement::{Statement, arguments, run_command};
use crate::pg::sql::template::filled;
use crate::pg::transaction::guc_scope::{GucScope, SEARCH_PATH};
use crate::pg::types::array::TextArray;
use crate::pg::types::text::Text;
use crate::usage;

/// Publishes the tables that readers follow, and returns their names.
///
/// These are the tables that verification reads, with the primary's beats and the record of usage brought in; never
/// usage, events or samples. Where there is a publication of this name, it is made to be so: what is missing is added,
/// and a NOTICE names each table of the extension that is taken out of it. If it has brought beats and not every
/// change, readers refuse from then on, until they are copied anew: nobody knows what they have missed. One that
/// publishes tables of others is left alone: its subscribers may be no readers. As long as there is one, a worker
/// writes a beat every two seconds, by which readers know how far behind they are. Added in 0.2.0.
///
/// # Arguments
/// - `name`: the name of the publication
///
/// # Errors
/// `22004` for NULL, `22023` for a name that is empty, too long or has a token in it, `42501` for anybody but the
/// extension's owner, for whoever may not create publications in the database, and under an identity, `25006` on a
/// reader, `55000` when the library is not preloaded, or the publication of this name publishes all tables, or some
/// that are not the extension's.
///
/// # Access
/// the extension's owner
///
/// # Example
/// ```sql
/// SELECT count(*) > 8 AS published FROM unnest(tokenauth.make_publication()) published;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn make_publication(call: Call, name: default!(Option<Text>, "'tokenauth'")) -> Result<TextArray, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let _path = GucScope::set(&[SEARCH_PATH]);
    refuse_identity()?;
    let name = publication_name(arguments::given("name", name)?)?;
    arguments::refuse_tokens("name", [name.as_bytes()].into_iter())?;
    refuse_all_but_owner(caller)?;
    if !usage::is_preloaded() {
        Err(ServerError::NotPreloaded("make_publication"))?;
    }
    let tables = published();
    let (quoted, list) = (quoted(&name), tables.join(", "));
    let command = |template| filled(template, &[("name", &quoted), ("tables", list.as_bytes())]);
    match publishes_all(&name) {
        None => run_command(command("CREATE PUBLICATION {name} FOR TABLE {tables}")),
        Some(true) => Err(ReplicationError::PublishesAll(name.shown()))?,
        Some(false) => {
            refuse_others(&name)?;
            tell_taken_out(&name);
            let has_lost = may_have_lost(&name);
            run_command(command("ALTER PUBLICATION {name} SET TABLE {tables}"));
            run_command(command(
                "ALTER PUBLICATION {name} \
                 SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false)",
            ));
            if has_lost {
                // What died meanwhile its readers will never hear of. Without the last beat they believe none.
                heartbeat::forget();
            }
        }
    }
    usage::begin_beats_at_commit();
    Ok(tables.iter().map(String::as_str).collect())
}

fn publication_name(name: Text) -> Result<Text, Error> {
    /// The bytes of a name in the catalogs.
    const MOST: usize = 63;
    if (1..=MOST).contains(&name.as_bytes().len()) { Ok(name) } else { Err(ReplicationError::PublicationName.into()) }
}

/// The tables to publish that this release of the extension has, with their schema.
fn published() -> Vec<String> {
    static EXISTS: Statement = Statement::new("SELECT to_regclass($1) IS NOT NULL");
    let exists = |table: &String| EXISTS.first(arguments![table.as_str()], |row| row.required(1)).unwrap_or(false);
    PUBLISHED.iter().map(|table| format!("tokenauth.{table}")).filter(exists).collect()
}

fn quoted(name: &Text) -> Vec<u8> {
    static QUOTE: Statement = Statement::new("SELECT quote_ident($1)");
    QUOTE
        .first(arguments![name.clone()], |row| row.required::<Text>(1))
        .map_or_else(Vec::new, |name| name.as_bytes().to_vec())
}

/// Whether the publication of this name is one of all tables; `None` if there is none.
fn publishes_all(name: &Text) -> Option<bool> {
    static FIND: Statement = Statement::new("SELECT puballtables FROM pg_publication WHERE pubname = $1");
    FIND.first(arguments![name.clone()], |row| row.required(1))
}

/// Checks that everything that the publication names is of the extension.
///
/// # Errors
/// 55000 when something is not.
fn refuse_others(name: &Text) -> Result<(), ReplicationError> {
    static OTHERS: Statement = Statement::new(
        "SELECT string_agg(o.name, ', ' ORDER BY o.name)
           FROM (SELECT c.oid::regclass::text
                   FROM pg_publication p
                   JOIN pg_publication_rel r ON r.prpubid = p.oid
                   JOIN pg_class c ON c.oid = r.prrelid
                  WHERE p.pubname = $1 AND c.relnamespace <> 'tokenauth'::regnamespace
                 UNION ALL
                 SELECT format('schema %s', s.pnnspid::regnamespace)
                   FROM pg_publication p
                   JOIN pg_publication_namespace s ON s.pnpubid = p.oid
                  WHERE p.pubname = $1 AND s.pnnspid <> 'tokenauth'::regnamespace) o (name)",
    );
    match OTHERS.first(arguments![name.clone()], |row| row.optional::<Text>(1)).flatten() {
        Some(others) => Err(ReplicationError::PublishesOthers { name: name.shown(), others: others.shown() }),
        None => Ok(()),
    }
}

/// Whether readers may believe its beats, and lack what it has not brought: a table that it has left out, or some
/// changes of one.
fn may_have_lost(name: &Text) -> bool {
    static LOST: Statement = Statement::new(concat!(
        "WITH ",
        left_out!(),
        " SELECT EXISTS (SELECT FROM left_out JOIN ours USING (pubname)
                          WHERE pubname = $2 AND finding IS NOT NULL AND (place > 2 OR 'heartbeat' = ANY (tables)))"
    ));
    let ours: TextArray = PUBLISHED.into_iter().collect();
    LOST.first(arguments![ours, name.clone()], |row| row.required(1)).unwrap_or(true)
}

/// Tells which tables leave the publication.
fn tell_taken_out(name: &Text) {
    static KEPT: Statement = Statement::new(
        "SELECT format('%I.%I', schemaname, tablename)
           FROM pg_publication_tables WHERE pubname = $1 AND tablename <> ALL ($2) ORDER BY 1",
    );
    let ours: TextArray = PUBLISHED.into_iter().collect();
    for table in KEPT.all(arguments![name.clone(), ours], |row| row.required::<Text>(1)) {
        message::notice(format!("publication \"{}\" does not publish {} any more", name.shown(), table.shown()));
    }
}
