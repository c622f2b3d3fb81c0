//! Every way to change what verification answers.

use postgres::Client;

/// What all changes share: users in a bound table.
pub const PREPARE: &str = "
    CREATE EXTENSION tokenauth;
    CREATE TABLE people (id int PRIMARY KEY, is_active bool DEFAULT true, permissions text[], sites jsonb DEFAULT '{}');
    SELECT tokenauth.bind_principals('people', 'person', 'id', active => 'people.is_active',
                                     permissions => 'people.permissions', data_scopes => 'people.sites');
    CREATE TABLE kept (LIKE tokenauth.token);
    CREATE FUNCTION taken_back(command text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            EXECUTE command;
            RAISE EXCEPTION USING ERRCODE = 'UE001';
        EXCEPTION WHEN SQLSTATE 'UE001' THEN NULL;
        END $$";

/// A change of a token that is `valid` at first, with the name `laptop`, the scopes `devices:read` and `devices:write`,
/// the data scopes `{"site": ["lon", "nyc"]}`, the metadata `{"team": "a"}` and no expiry. Its kind is an intersect
/// kind of its own, named `$kind`. Its owner `$owner` holds `sites:read` as well.
#[derive(Default)]
pub struct Change {
    /// The kind's columns that differ from their defaults, and their values.
    kind: (&'static str, &'static str),
    /// The type of the owner, if not `user`.
    owner: &'static str,
    /// What is done to the new token before the change.
    given: &'static str,
    /// The change.
    pub sql: &'static str,
    /// How a line of the answer begins after the change; no line does before.
    then: &'static str,
    /// Whether a transaction that makes it cannot be prepared.
    pub kills: bool,
    /// Whether it blocks readers of the tables until it is committed.
    pub locks: bool,
}

impl Change {
    /// Makes kind, owner and token, and returns the token's text and id.
    pub fn prepare(&self, client: &mut Client, number: usize) -> (String, String) {
        let (columns, values) = self.kind;
        let bound = self.owner == "person";
        let owner = if bound {
            "INSERT INTO people
             VALUES ($n, true, '{devices:read,devices:write,sites:read}', '{\"site\": [\"lon\", \"nyc\"]}')"
        } else {
            "SELECT tokenauth.put_principal('$owner', '{devices:read,devices:write,sites:read}',
                                            '{\"site\": [\"lon\", \"nyc\"]}')"
        };
        let prepare = format!(
            "INSERT INTO tokenauth.kind (name, prefix, owner_types{columns})
             VALUES ('$kind', '$kind_', '{{user,person}}'{values});
             {owner}"
        );
        let named = |sql: &str, id: &str| self.owned(&named(sql, number, id, ""), number);
        client.batch_execute(&named(&prepare, "")).unwrap();
        let issue =
            "SELECT token, id::text FROM tokenauth.issue('$kind', '$owner', 'laptop', metadata => '{\"team\": \"a\"}',
                         scopes => '{devices:read,devices:write}', data_scopes => '{\"site\": [\"lon\", \"nyc\"]}')";
        let row = client.query_one(&named(issue, ""), &[]).unwrap();
        let (token, id): (String, String) = (row.get(0), row.get(1));
        client.batch_execute(&named(self.given, &id)).unwrap_or_else(|error| panic!("{}: {error:?}", self.given));
        (token, id)
    }

    /// Whether this is the answer after the change.
    pub fn is_in(&self, answer: &str) -> bool {
        answer.lines().any(|line| line.starts_with(self.then))
    }

    fn owned(&self, sql: &str, number: usize) -> String {
        if self.owner.is_empty() {
            sql.to_owned()
        } else {
            sql.replace(&format!("user:{number}"), &format!("{}:{number}", self.owner))
        }
    }
}

/// The statement with the names for this change filled in.
pub fn named(sql: &str, number: usize, id: &str, token: &str) -> String {
    sql.replace("$kind", &format!("k{number}"))
        .replace("$owner", &format!("user:{number}"))
        .replace("$n", &number.to_string())
        .replace("$id", id)
        .replace("$token", token)
}

const fn change(sql: &'static str, then: &'static str) -> Change {
    Change { sql, then, given: "", kind: ("", ""), owner: "", kills: false, locks: false }
}

const fn death(sql: &'static str, then: &'static str) -> Change {
    Change { kills: true, ..change(sql, then) }
}

const REVOKED: &str = "verdict revoked";

/// All changes; those of whole tables come last.
pub const CHANGES: &[Change] = &[
    // One token dies.
    death("SELECT tokenauth.revoke('$id')", REVOKED),
    death("SELECT tokenauth.revoke_presented('$token')", REVOKED),
    death("SELECT tokenauth.delete('$id')", REVOKED),
    death("SELECT tokenauth.disable('$id')", "verdict disabled"),
    Change { given: "SELECT tokenauth.disable('$id')", ..change("SELECT tokenauth.enable('$id')", "verdict valid") },
    death("SELECT tokenauth.rotate('$id')", REVOKED),
    change("SELECT tokenauth.rotate('$id', grace => '1 hour')", "expires_at 20"),
    // Many die at once.
    death("SELECT tokenauth.deactivate('$owner')", REVOKED),
    death("SELECT tokenauth.put_principal('$owner', active => false)", REVOKED),
    death("SELECT tokenauth.drop_principal('$owner')", REVOKED),
    death("SELECT tokenauth.revoke_all(owner => '$owner')", REVOKED),
    death("SELECT tokenauth.revoke_all(kind => '$kind')", REVOKED),
    death("SELECT tokenauth.revoke_all(owner => '$owner', kind => '$kind')", REVOKED),
    death("SELECT tokenauth.revoke_all(issued_before => clock_timestamp())", REVOKED),
    death("SELECT tokenauth.revoke_all(owner => '$owner', issued_before => clock_timestamp())", REVOKED),
    // Changes of a token whose kind suspends.
    Change {
        kind: (", owner_inactive", ", 'suspend'"),
        ..death("SELECT tokenauth.deactivate('$owner', 'on leave')", "detail {\"state_reason\": \"on leave\"}")
    },
    Change {
        kind: (", owner_inactive", ", 'suspend'"),
        given: "SELECT tokenauth.deactivate('$owner')",
        ..change("SELECT tokenauth.activate('$owner')", "verdict valid")
    },
    // Changes of the token's own fields.
    change("SELECT tokenauth.edit('$id', scopes => '{devices:read}')", "scopes {devices:read}"),
    change("SELECT tokenauth.edit('$id', scopes => '{devices:read,sites:read}')", "scopes {devices:read,sites:read}"),
    change("SELECT tokenauth.edit('$id', data_scopes => '{\"site\": [\"lon\"]}')",
        "data_scopes {\"site\": [\"lon\"]}"),
    change("SELECT tokenauth.edit('$id', expires_at => '2099-01-01 UTC')", "expires_at 2099-01-01 00:00:00"),
    change("SELECT tokenauth.edit('$id', networks => '{198.51.100.0/24}')", "verdict network_denied"),
    change("SELECT tokenauth.edit('$id', metadata => '{\"team\": \"b\"}')", "metadata {\"team\": \"b\"}"),
    change("SELECT tokenauth.edit('$id', name => 'phone')", "name phone"),
    // Changes of what its owner holds.
    change("SELECT tokenauth.put_principal('$owner', permissions => '{devices:read}')", "scopes {devices:read}"),
    change("SELECT tokenauth.put_principal('$owner', permissions => '{}')", "scopes {}"),
    change("SELECT tokenauth.put_principal('$owner', data_scopes => '{\"site\": [\"lon\"]}')",
        "data_scopes {\"site\": [\"lon\"]}"),
    Change {
        given: "SELECT tokenauth.put_principal('$owner', permissions => '{devices:read}')",
        ..change(
            "SELECT tokenauth.put_principal('$owner', permissions => '{*}')",
            "scopes {devices:read,devices:write}")
    },
    // Changes of what its kind allows.
    change("UPDATE tokenauth.kind SET ceiling = '{*:read}' WHERE name = '$kind'", "scopes {devices:read}"),
    change("UPDATE tokenauth.kind SET permission_mode = 'live' WHERE name = '$kind'",
        "scopes {devices:read,devices:write,sites:read}"),
    Change {
        given: "SELECT tokenauth.put_principal('$owner', permissions => '{devices:read}')",
        ..change("UPDATE tokenauth.kind SET permission_mode = 'snapshot' WHERE name = '$kind'",
            "scopes {devices:read,devices:write}")
    },
    change(
        "INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('$kind', '$kind_', '{user,person}')
             ON CONFLICT (name) DO UPDATE SET ceiling = '{*:read}'",
        "scopes {devices:read}",
    ),
    // Changes of its owner's row in a bound table.
    Change { owner: "person", ..death("UPDATE people SET is_active = false WHERE id = $n", REVOKED) },
    Change { owner: "person", ..death("DELETE FROM people WHERE id = $n", REVOKED) },
    Change { owner: "person", ..death("UPDATE people SET id = -id WHERE id = $n", REVOKED) },
    Change { owner: "person", ..death("TRUNCATE people", REVOKED) },
    Change {
        owner: "person",
        ..death("SELECT set_config('session_replication_role', 'replica', true);
             DELETE FROM people WHERE id = $n", REVOKED)
    },
    Change {
        owner: "person",
        ..change("UPDATE people SET permissions = '{devices:read}' WHERE id = $n", "scopes {devices:read}")
    },
    Change {
        owner: "person",
        ..change("UPDATE people SET sites = '{\"*\": []}' WHERE id = $n", "data_scopes {\"*\": []}")
    },
    // Changes in the same statement as verifications.
    death(
        "SELECT (tokenauth.verify('$token')).verdict, tokenauth.revoke('$id'), (tokenauth.verify('$token')).verdict",
        REVOKED,
    ),
    change(
        "WITH dead AS (UPDATE tokenauth.token SET revoked_at = now() WHERE id = '$id' RETURNING id)
         SELECT v.verdict FROM generate_series(1, 4), dead, tokenauth.verify('$token') v",
        REVOKED,
    ),
    change(
        "WITH dead AS (UPDATE tokenauth.principal SET permissions = '{}' WHERE principal = '$owner' RETURNING principal)
         SELECT v.verdict, (SELECT count(*) FROM dead), w.verdict
           FROM generate_series(1, 4), tokenauth.verify('$token') v,
                tokenauth.verify(CASE WHEN v.ok THEN '$token' END) w",
        "scopes {}",
    ),
    // Changes of our tables by hand, without our functions.
    change("UPDATE tokenauth.token SET revoked_at = now() WHERE id = '$id'", REVOKED),
    change("UPDATE tokenauth.token SET disabled_at = now() WHERE id = '$id'", "verdict disabled"),
    change("UPDATE tokenauth.token SET expires_at = created_at WHERE id = '$id'", "verdict expired"),
    change("UPDATE tokenauth.token SET not_before = now() + '1 day' WHERE id = '$id'", "verdict not_yet_valid"),
    change("UPDATE tokenauth.token SET digest = sha256(digest) WHERE id = '$id'", "verdict unknown"),
    change("UPDATE tokenauth.token SET lookup = lookup + 1 WHERE id = '$id'", "verdict unknown"),
    change("UPDATE tokenauth.token SET owner = 'user:nobody' WHERE id = '$id'", "verdict unknown"),
    change("UPDATE tokenauth.token SET scopes = NULL WHERE id = '$id'", "scopes {}"),
    change("DELETE FROM tokenauth.token WHERE id = '$id'", "verdict unknown"),
    change("MERGE INTO tokenauth.token t USING (SELECT '$id'::uuid AS id) d ON t.id = d.id
         WHEN MATCHED THEN DELETE",
        "verdict unknown"),
    change("UPDATE tokenauth.principal SET active = false WHERE principal = '$owner'", REVOKED),
    change("UPDATE tokenauth.principal SET epoch = 1, all_dead_before_epoch = 1 WHERE principal = '$owner'", REVOKED),
    change("DELETE FROM tokenauth.principal WHERE principal = '$owner'", "verdict unknown"),
    Change {
        given: "UPDATE tokenauth.token SET revoked_at = now() WHERE id = '$id'",
        ..change("UPDATE tokenauth.token SET revoked_at = NULL WHERE id = '$id'", "verdict valid")
    },
    Change {
        given: "INSERT INTO kept SELECT * FROM tokenauth.token WHERE id = '$id';
                DELETE FROM tokenauth.token WHERE id = '$id'",
        ..change("INSERT INTO tokenauth.token SELECT * FROM kept WHERE id = '$id'", "verdict valid")
    },
    Change {
        given: "COPY (SELECT * FROM tokenauth.token WHERE id = '$id') TO PROGRAM 'cat > kept';
                DELETE FROM tokenauth.token WHERE id = '$id'",
        ..change("COPY tokenauth.token FROM PROGRAM 'cat kept'", "verdict valid")
    },
    // … and as logical apply does.
    Change {
        given: "INSERT INTO kept SELECT * FROM tokenauth.token WHERE id = '$id';
                DELETE FROM tokenauth.token WHERE id = '$id'",
        ..change(
            "SELECT set_config('session_replication_role', 'replica', true);
             INSERT INTO tokenauth.token SELECT * FROM kept WHERE id = '$id'",
            "verdict valid",
        )
    },
    change("SELECT set_config('session_replication_role', 'replica', true);
         UPDATE tokenauth.token SET revoked_at = now() WHERE id = '$id'",
        REVOKED),
    change("SELECT set_config('session_replication_role', 'replica', true);
         DELETE FROM tokenauth.token WHERE id = '$id'",
        "verdict unknown"),
    change(
        "SELECT set_config('session_replication_role', 'replica', true);
         UPDATE tokenauth.principal SET permissions = '{}' WHERE principal = '$owner'",
        "scopes {}",
    ),
    change(
        "SELECT set_config('session_replication_role', 'replica', true);
         UPDATE tokenauth.kind SET ceiling = '{*:read}' WHERE name = '$kind'",
        "scopes {devices:read}",
    ),
    Change {
        locks: true,
        ..change("SELECT set_config('session_replication_role', 'replica', true);
             TRUNCATE tokenauth.principal",
            "verdict unknown")
    },
    Change { locks: true, ..change("TRUNCATE tokenauth.kind, tokenauth.token", "verdict unknown") },
    Change { locks: true, ..change("TRUNCATE tokenauth.principal", "verdict unknown") },
    Change { locks: true, ..change("TRUNCATE tokenauth.token", "verdict unknown") },
    // Changes of whole tables.
    Change {
        locks: true,
        ..change(
            "ALTER TABLE tokenauth.token ADD COLUMN more int DEFAULT 7;
             UPDATE tokenauth.token SET name = 'more' WHERE id = '$id'",
            "name more",
        )
    },
    Change {
        locks: true,
        ..change(
            "ALTER TABLE tokenauth.principal ADD COLUMN more text;
             UPDATE tokenauth.principal SET permissions = '{}' WHERE principal = '$owner'",
            "scopes {}",
        )
    },
];
