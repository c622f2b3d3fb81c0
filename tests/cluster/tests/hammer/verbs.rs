//! What the sessions call: each verb as SQL, whose rows say what it has issued and what it has killed.

use tokenauth_cluster::Random;

/// A call, or a statement on a bound table.
pub struct Verb {
    pub name: &'static str,
    /// Its statements. Each row of the answers is a [`Fact`](crate::oracle::Fact) or NULL.
    sql: &'static str,
    /// Refusals that are right here, beside those that any verb may meet.
    pub refusals: &'static [&'static str],
}

const fn verb(name: &'static str, sql: &'static str) -> Verb {
    Verb { name, sql, refusals: &[] }
}

const fn refused(name: &'static str, sql: &'static str, refusals: &'static [&'static str]) -> Verb {
    Verb { name, sql, refusals }
}

/// Refusals that any verb may meet, since the others act on the same principals and tokens: no longer held or allowed;
/// unknown, dropped or not bound; as many tokens as allowed; inactive, dead, or supplied by a binding.
pub const REFUSALS: [&str; 4] = ["42501", "42704", "53400", "55000"];

/// Statements of the application lock their own rows in order, or they would wait for each other without us.
pub const VERBS: &[Verb] = &[
    // Tokens.
    verb(
        "issue",
        "SELECT format('issued %s %s %s %s', token, id, owner, kind)
           FROM tokenauth.issue('$kind', '$owner')",
    ),
    verb(
        "issue by an actor",
        "SELECT format('issued %s %s %s %s', token, id, owner, kind)
           FROM tokenauth.issue('$kind', '$owner', actor => '$actor')",
    ),
    verb(
        "issue and revoke",
        "SELECT NULL FROM tokenauth.issue('$kind', '$owner') i, tokenauth.revoke(i.id) WHERE i.id IS NOT NULL",
    ),
    refused(
        "import",
        "SELECT format('issued legacy-token-%s %s %s %s', $n / 2, id, '$owner', '$kind')
           FROM tokenauth.import('$kind', '$owner', encode(sha256(('legacy-token-' || $n / 2)::bytea), 'hex'),
                                 'sha256') id",
        &["42710"],
    ),
    verb("edit", "SELECT NULL FROM tokenauth.edit('$id', name => 'n$n', scopes => '{a}', expires_in => '1 day')"),
    verb(
        "rotate",
        "SELECT unnest(ARRAY['token $id', format('issued %s %s %s %s', token, id, owner, kind)])
           FROM tokenauth.rotate('$id')",
    ),
    verb(
        "rotate with grace",
        "SELECT format('issued %s %s %s %s', token, id, owner, kind) FROM tokenauth.rotate('$id', grace => '1 hour')",
    ),
    verb("disable", "SELECT NULL FROM tokenauth.disable('$id')"),
    verb("enable", "SELECT NULL FROM tokenauth.enable('$id')"),
    verb("revoke", "SELECT 'token $id' FROM tokenauth.revoke('$id')"),
    verb("revoke by an actor", "SELECT 'token $id' FROM tokenauth.revoke('$id', actor => '$actor')"),
    verb("revoke presented", "SELECT 'token $id' FROM tokenauth.revoke_presented('$text')"),
    verb("delete", "SELECT 'token $id' FROM tokenauth.delete('$id')"),
    verb("revoke all of an owner", "SELECT 'all $owner' FROM tokenauth.revoke_all(owner => '$owner')"),
    verb(
        "revoke all of an owner and kind",
        "SELECT NULL FROM tokenauth.revoke_all(owner => '$owner', kind => '$kind', issued_before => clock_timestamp())",
    ),
    verb("revoke all of a kind", "SELECT 'kind $kind' FROM tokenauth.revoke_all(kind => '$kind')"),
    verb(
        "revoke all before now",
        "SELECT 'everything' FROM tokenauth.revoke_all(issued_before => clock_timestamp() + interval '1 hour')",
    ),
    verb("revoke all of an organisation", "SELECT NULL FROM tokenauth.revoke_all(owner => '$org', actor => '$member')"),
    verb("revoke all by an actor", "SELECT NULL FROM tokenauth.revoke_all(kind => '$kind', actor => '$actor')"),
    // Principals and organisations by hand. Those of bound rows are not dropped by hand, as that would be drift.
    verb("put", "SELECT NULL FROM tokenauth.put_principal('$owner', permissions => '$held', active => true)"),
    verb("put inactive", "SELECT 'revocable $owner' FROM tokenauth.put_principal('$owner', active => false)"),
    verb("put a name", "SELECT NULL FROM tokenauth.put_principal('$owner', display_name => 'n$n')"),
    // Several calls in one transaction, in the order in which everything locks.
    verb(
        "put two",
        "SELECT NULL FROM tokenauth.put_principal('app:1', permissions => '$held', active => true);
         SELECT NULL FROM tokenauth.put_principal('app:2', permissions => '$held', active => true)",
    ),
    verb("deactivate", "SELECT 'revocable $owner' FROM tokenauth.deactivate('$owner')"),
    verb("activate", "SELECT NULL FROM tokenauth.activate('$owner')"),
    verb("drop", "SELECT 'all $unbound' FROM tokenauth.drop_principal('$unbound')"),
    verb("add a member", "SELECT NULL FROM tokenauth.add_member('$org', '$member', '$held')"),
    verb("remove a member", "SELECT NULL FROM tokenauth.remove_member('$org', '$member')"),
    verb("change a kind", "UPDATE tokenauth.kind SET description = 'n$n' WHERE name = '$kind'"),
    // Bindings.
    refused(
        "bind users",
        "SELECT NULL FROM tokenauth.bind_principals('users', 'user', 'id', active => 'active', permissions => 'held')",
        &["42710"],
    ),
    verb("unbind users", "SELECT NULL FROM tokenauth.unbind_principals('users')"),
    verb("sync users", "SELECT NULL FROM tokenauth.sync_principals('users')"),
    refused("bind members", "SELECT NULL FROM tokenauth.bind_members('members', 'org', 'member', 'held')", &["42710"]),
    verb("unbind members", "SELECT NULL FROM tokenauth.unbind_principals('members')"),
    verb("sync members", "SELECT NULL FROM tokenauth.sync_principals('members')"),
    // Bound tables.
    verb(
        "insert users",
        "INSERT INTO users SELECT id, random() < 0.7, '$held' FROM unnest(ARRAY[$ids]) id ORDER BY id
         ON CONFLICT (id) DO NOTHING",
    ),
    verb(
        "update users",
        "WITH held AS MATERIALIZED (SELECT id FROM users WHERE id IN ($ids) ORDER BY id FOR UPDATE)
         UPDATE users u SET active = random() < 0.5, held = '$held' FROM held WHERE u.id = held.id
         RETURNING CASE WHEN NOT u.active AND is_bound('users') THEN 'revocable user:' || u.id END",
    ),
    refused(
        "change a user's id",
        "UPDATE users SET id = id + 4 WHERE id = $one
         RETURNING CASE WHEN is_bound('users') THEN 'all user:' || id - 4 END",
        &["23505"],
    ),
    verb(
        "delete users",
        "WITH held AS MATERIALIZED (SELECT id FROM users WHERE id IN ($ids) ORDER BY id FOR UPDATE)
         DELETE FROM users u USING held WHERE u.id = held.id
         RETURNING CASE WHEN is_bound('users') THEN 'all user:' || u.id END",
    ),
    verb(
        "truncate users",
        "TRUNCATE users; SELECT 'all user:' || id FROM generate_series(1, 8) id WHERE is_bound('users')",
    ),
    verb(
        "insert members",
        "INSERT INTO members SELECT o, m, '$held' FROM unnest(ARRAY['org:1', 'org:2']) o, unnest(ARRAY[$names]) m
          WHERE EXISTS (SELECT FROM tokenauth.principal WHERE principal = o AND dropped_at IS NULL)
            AND EXISTS (SELECT FROM tokenauth.principal WHERE principal = m AND dropped_at IS NULL)
          ORDER BY o, m
         ON CONFLICT (org, member) DO NOTHING",
    ),
    verb(
        "update members",
        "WITH wanted AS MATERIALIZED (
             SELECT org, member FROM members WHERE member IN ($names) ORDER BY org, member FOR UPDATE)
         UPDATE members m SET held = '$held' FROM wanted w WHERE m.org = w.org AND m.member = w.member",
    ),
    verb(
        "delete members",
        "WITH wanted AS MATERIALIZED (
             SELECT org, member FROM members WHERE member IN ($names) ORDER BY org, member FOR UPDATE)
         DELETE FROM members m USING wanted w WHERE m.org = w.org AND m.member = w.member",
    ),
    verb("truncate members", "TRUNCATE members"),
    // What goes through everything.
    verb("purge", "SELECT NULL FROM tokenauth.purge('0')"),
    verb(
        "import revocations",
        // Not of bound users: to deactivate one whose row has become active meanwhile would be drift, as documented.
        "SELECT NULL FROM tokenauth.export_revocations(clock_timestamp() - interval '1 minute') dead,
                tokenauth.import_revocations(dead || jsonb_build_object('inactive', (
                    SELECT coalesce(jsonb_agg(one), '[]') FROM jsonb_array_elements(dead -> 'inactive') one
                     WHERE one ->> 'principal' NOT LIKE 'user:%')))",
    ),
];

const UNBOUND: [&str; 4] = ["app:1", "app:2", "org:1", "org:2"];
const MEMBERS: [&str; 4] = ["app:1", "app:2", "user:1", "user:2"];
const HELD: [&str; 4] = ["{}", "{a}", "{a,b,keys:manage}", "{a,b,keys:manage}"];

/// A token that a verb may concern.
#[derive(Clone)]
pub struct Target {
    pub id: String,
    pub text: String,
}

impl Verb {
    /// Its SQL for principals, rows and a kind drawn at random, and this token.
    pub fn sql(&self, random: &mut Random, number: u32, target: &Target) -> String {
        let owner = |random: &mut Random| match random.below(2) {
            0 => format!("user:{}", 1 + random.below(4)),
            _ => (*random.pick(&UNBOUND)).to_owned(),
        };
        let some = |random: &mut Random, from: &[String]| {
            let mut some: Vec<&str> = from.iter().filter(|_| random.below(2) == 0).map(String::as_str).collect();
            if some.is_empty() {
                some.push(&from[0]);
            }
            some.join(", ")
        };
        let ids: Vec<String> = (1..=5).map(|id| id.to_string()).collect();
        let names: Vec<String> = MEMBERS.iter().map(|name| format!("'{name}'")).collect();
        [
            ("$owner", owner(random)),
            ("$actor", owner(random)),
            ("$unbound", (*random.pick(&UNBOUND)).to_owned()),
            ("$org", format!("org:{}", 1 + random.below(2))),
            ("$member", (*random.pick(&MEMBERS)).to_owned()),
            ("$kind", (*random.pick(&["key", "seat", "few"])).to_owned()),
            ("$held", (*random.pick(&HELD)).to_owned()),
            ("$ids", some(random, &ids)),
            ("$one", (1 + random.below(4)).to_string()),
            ("$names", some(random, &names)),
            ("$id", target.id.clone()),
            ("$text", target.text.clone()),
            ("$n", number.to_string()),
        ]
        .iter()
        .fold(self.sql.to_owned(), |sql, (name, value)| sql.replace(name, value))
    }
}
