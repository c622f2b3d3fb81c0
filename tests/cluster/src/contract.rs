//! The calls of the contract that the tests share, as an application writes them.

use postgres::Client;

use crate::{Server, wait_until};

/// The parts of a token that its holder and the application keep.
pub struct Issued {
    /// The text, which exists here and nowhere else.
    pub token: String,
    /// Its id, as text.
    pub id: String,
}

/// Creates the extension, a kind `key` whose tokens begin with `key_`, and the principal `user:1`.
pub fn prepare(client: &mut Client) {
    client
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
             SELECT tokenauth.put_principal('user:1', permissions => '{devices:read}');",
        )
        .unwrap();
}

/// Starts a server with these settings, prepares it, and issues a token to `user:1`.
#[must_use]
pub fn serve(settings: &[&str]) -> (Server, Client, Issued) {
    let server = Server::start(settings);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    (server, client, issued)
}

/// Issues a token of kind `key`.
pub fn issue(client: &mut Client, owner: &str) -> Issued {
    let row =
        client.query_one("SELECT token, id::text FROM tokenauth.issue(kind => 'key', owner => $1)", &[&owner]).unwrap();
    Issued { token: row.get(0), id: row.get(1) }
}

/// Revokes the token and returns whether it was alive.
pub fn revoke(client: &mut Client, issued: &Issued) -> bool {
    client.query_one("SELECT tokenauth.revoke($1::text::uuid)", &[&issued.id]).unwrap().get(0)
}

/// The verdict of a verification of the token.
pub fn verdict(client: &mut Client, token: &str) -> String {
    client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&token]).unwrap().get(0)
}

/// Waits for an hourly round of this server's worker, however long ago it says that the last one was.
pub fn await_round(client: &mut Client, which: &str) {
    let noted = "SELECT EXISTS (SELECT FROM tokenauth.counting WHERE until >= pg_postmaster_start_time())";
    wait_until(&format!("{which} round"), || client.query_one(noted, &[]).unwrap().get(0));
    // The same worker has looked for idle tokens when it ends.
    let ended = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'tokenauth usage')";
    wait_until("the worker to end", || client.query_one(ended, &[]).unwrap().get(0));
}

/// Makes all tokens ones that were issued 95 days ago, of kinds whose tokens die after 90 days without use, and waits
/// for the worker's first round, with which counting begins.
pub fn age_beyond_max_idle(client: &mut Client) {
    client
        .batch_execute(
            "UPDATE tokenauth.token SET created_at = created_at - interval '95 days';
             UPDATE tokenauth.kind SET max_idle = '90 days'",
        )
        .unwrap();
    await_round(client, "the first");
}

/// As if uses had been counted for a hundred days more.
pub fn count_for_longer(client: &mut Client) {
    client.batch_execute("UPDATE tokenauth.counting SET since = since - interval '100 days'").unwrap();
}

/// Every privilege on the extension's objects: the kind of object, its name, to whom, and what.
#[must_use]
pub fn privileges(client: &mut Client) -> Vec<String> {
    let sql = "
        SELECT concat_ws(' ', object, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type)
          FROM (SELECT 'schema' AS object, coalesce(nspacl, acldefault('n', nspowner)) AS acl
                  FROM pg_namespace WHERE nspname = 'tokenauth'
                UNION ALL
                SELECT 'table ' || relname, coalesce(relacl, acldefault('r', relowner))
                  FROM pg_class WHERE relnamespace = 'tokenauth'::regnamespace AND relkind IN ('r', 'v')
                UNION ALL
                SELECT 'column ' || attrelid::regclass || '.' || attname, attacl
                  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'tokenauth'::regnamespace
                UNION ALL
                SELECT 'function ' || proname, coalesce(proacl, acldefault('f', proowner))
                  FROM pg_proc WHERE pronamespace = 'tokenauth'::regnamespace
                UNION ALL
                SELECT 'type ' || typname, coalesce(typacl, acldefault('T', typowner))
                  FROM pg_type WHERE typnamespace = 'tokenauth'::regnamespace AND typelem = 0) AS objects,
               aclexplode(acl)
         ORDER BY 1";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}
