//! The kinds and owners of the histories, and the statement that judges what was handed out.

/// Refusals that a random call may end with.
pub const REFUSALS: [&str; 5] = ["22004", "22023", "42501", "42704", "55000"];

pub const PREPARE: &str = r#"
    CREATE EXTENSION tokenauth;
    CREATE TABLE handed (
        token text, by_shadow text, history integer,
        grants boolean, ends boolean, networks boolean,
        then_scopes text[], then_sites text[], then_ends timestamptz, then_clients text[]);

    -- Which of the scopes, sites and clients of this test something allows; '' is a client that is not known.
    CREATE FUNCTION scopes(granted text[]) RETURNS text[] BEGIN ATOMIC
        SELECT array(SELECT s FROM unnest('{a,b,c,m}'::text[]) s WHERE s = ANY (granted) OR '*' = ANY (granted));
    END;
    -- … as the row of a token has them
    CREATE FUNCTION scopes(granted text) RETURNS text[] BEGIN ATOMIC
        SELECT scopes(string_to_array(granted, ' '));
    END;
    CREATE FUNCTION sites(allowed jsonb) RETURNS text[] BEGIN ATOMIC
        SELECT array(SELECT s FROM unnest('{lon,nyc,other}'::text[]) s
                      WHERE coalesce(allowed -> 'site' ? s, allowed -> '*' ? s, true));
    END;
    CREATE FUNCTION admitted(networks text[]) RETURNS text[] BEGIN ATOMIC
        SELECT array(SELECT c FROM unnest('{"",10.0.0.1,10.200.0.1,192.168.0.1,::1}'::text[]) c
                      WHERE networks IS NULL OR c <> '' AND nullif(c, '')::inet <<= ANY (networks::inet[]));
    END;

    CREATE FUNCTION shadow_of(presented uuid, shadow text) RETURNS void BEGIN ATOMIC
        INSERT INTO tokenauth.import (algorithm) VALUES ('sha256') ON CONFLICT DO NOTHING;
        INSERT INTO tokenauth.token (id, lookup, digest, algorithm, owner_epoch, created_at, dies_with_owner,
                                     expires_at, kind, owner, scopes, data_scopes, networks, created_by)
        SELECT gen_random_uuid(),
               ('x' || encode(substr(sha256(convert_to(shadow, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint,
               sha256(convert_to(shadow, 'UTF8')), 'sha256', owner_epoch, created_at, dies_with_owner, expires_at,
               kind, owner, scopes, data_scopes, networks, 'shadow'
          FROM tokenauth.token WHERE id = presented;
    END;

    INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, owner_inactive, manage_permission,
                                issue_permission, expired_editable, reveal, default_lifetime) VALUES
        ('first', 'first_', '{user,org}', 'intersect', 'suspend', 'm', NULL, true, true, NULL),
        ('second', 'second_', '{user,org}', 'intersect', 'suspend', 'm', NULL, true, true, '50 days'),
        ('kept', 'kept_', '{user,org}', 'snapshot', 'suspend', 'm', NULL, true, true, '30 days'),
        ('live', 'live_', '{user,org}', 'live', 'suspend', 'm', NULL, true, true, NULL),
        ('all', 'all_', '{user,org}', 'all', 'suspend', 'm', 'c', true, true, NULL);
"#;

/// Forgets the tokens of the history before.
pub const FORGET: &str = "
    TRUNCATE handed;
    UPDATE tokenauth.kind SET ceiling = NULL;
    SELECT tokenauth.put_principal(owner, '{a,b,c,m}', '{}', true), tokenauth.revoke_all(owner)
      FROM unnest('{user:ann,user:ben,org:acme}'::text[]) owner;
    SELECT tokenauth.add_member('org:acme', 'user:ann', '{m,a}');";

/// Each token that now goes further than what it was handed out by did then, or would now.
pub const VIOLATIONS: &str = "
    SELECT h.history, format('%s for %L: %s %s %s, then %s %s %s %s', t.verdict, client,
                             t.scopes, t.data_scopes, t.expires_at,
                             h.then_scopes, h.then_sites, h.then_ends, h.then_clients)
      FROM handed h CROSS JOIN unnest(admitted(NULL)) client
     CROSS JOIN LATERAL tokenauth.verify(h.token, client => nullif(client, '')) t
     CROSS JOIN LATERAL tokenauth.verify(h.by_shadow, client => nullif(h.then_clients[1], '')) now
     WHERE t.ok
       AND (h.networks AND client <> ALL (h.then_clients)
            OR h.ends AND coalesce(t.expires_at, 'infinity') > h.then_ends
            OR h.grants AND NOT (scopes(t.scopes) <@ h.then_scopes AND sites(t.data_scopes) <@ h.then_sites)
                        AND NOT coalesce(now.ok AND scopes(t.scopes) <@ scopes(now.scopes)
                                         AND sites(t.data_scopes) <@ sites(now.data_scopes), false))";

/// The clients from which each of these texts is a valid token.
pub const PRESENTABLE: &str = "
    SELECT (number - 1)::integer, client
      FROM unnest($1::text[]) WITH ORDINALITY AS t (token, number) CROSS JOIN unnest(admitted(NULL)) client
     CROSS JOIN LATERAL tokenauth.verify(token, client => nullif(client, '')) v
     WHERE v.ok";
