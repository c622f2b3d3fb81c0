-- A holder derives from its token narrower, short-lived children, offline or by derive(). They have no row, grant what the parent grants
-- and less, and die with it. Nobody makes one from what the database stores.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, derivable) VALUES ('agent', 'agent_', true);
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:*,sites:read}', '{"site": ["nyc", "lon"]}');
SELECT token AS parent, id AS parent_id FROM tokenauth.issue('agent', 'user:alice', 'laptop', metadata => '{"team": "a"}') \gset

-- a child is its parent in everything but what it was narrowed to
SELECT tokenauth.derive(:'parent', scopes => '{devices:read,sites:*,users:read}', data_scopes => '{"site": ["lon", "ber"], "team": ["a"]}', label => 'nightly export') AS child \gset
SELECT verdict, ok, http_status, token_id = :'parent_id' AS parent, kind, owner, name, scopes, data_scopes, metadata, detail,
       expires_at - now() BETWEEN '200 seconds' AND '300 seconds' AS ends, derived ->> 'label' AS label, (derived ->> 'expires_at')::timestamptz = expires_at AS same_end
  FROM tokenauth.verify(:'child');
SELECT verdict, derived FROM tokenauth.verify(:'parent');
-- … the answer is the same when it comes from the cache
SELECT count(*), count(DISTINCT v.correlation_id) AS correlation_ids
  FROM generate_series(1, 5) n, LATERAL tokenauth.verify(left(:'child', 1000 + n)) v;
SELECT DISTINCT verdict, scopes, data_scopes, derived ->> 'label' AS label, length(correlation_id) FROM generate_series(1, 5) n, LATERAL tokenauth.verify(left(:'child', 1000 + n));
-- … its text is its parent's first characters, caveats and a signature
SELECT :'child' ~ '^agent_[0-9A-Za-z]{11}\.[0-9A-Za-z_-]+\.[0-9A-Za-z]{86}$' AS form, split_part(:'child', '.', 1) = left(:'parent', 17) AS public_part;
SELECT convert_from(decode(rpad(translate(split_part(:'child', '.', 2), '-_', '+/'), (length(split_part(:'child', '.', 2)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb - '{n,x}'::text[] AS caveats;
-- … and it costs no row
SELECT count(*) FROM tokenauth.token;

-- required scopes are judged for both
SELECT require, verdict, detail FROM unnest('{devices:read,devices:write,sites:read,users:read}'::text[]) AS require, LATERAL tokenauth.verify(:'child', ARRAY[require]);
-- a child without scopes grants nothing, and may still tell who it is
SELECT verdict, scopes FROM tokenauth.verify(tokenauth.derive(:'parent', scopes => '{}'));
-- a caveat never widens
SELECT verdict, scopes, data_scopes FROM tokenauth.verify(tokenauth.derive(:'parent', scopes => '{*}', data_scopes => '{"site": ["ber"]}'));
-- it follows what its parent grants now
SELECT tokenauth.put_principal('user:alice', '{sites:read}');
SELECT verdict, scopes FROM tokenauth.verify(:'child');
SELECT tokenauth.put_principal('user:alice', '{devices:*,sites:read}');

-- both must admit the client, and networks of a child only ever narrow
SELECT token AS bound FROM tokenauth.issue('agent', 'user:alice', networks => '{10.0.0.0/8}') \gset
SELECT tokenauth.derive(:'bound', networks => '{10.1.0.0/16,192.0.2.0/24}') AS both_bound, tokenauth.derive(:'parent', networks => '{192.0.2.1}') AS child_bound \gset
SELECT client, b.verdict AS both_bound, b.detail, c.verdict AS child_bound
  FROM (VALUES ('10.1.2.3'), ('10.2.2.3'), ('192.0.2.1'), ('nonsense'), (NULL)) AS t (client),
       LATERAL tokenauth.verify(:'both_bound', client => client) b, LATERAL tokenauth.verify(:'child_bound', client => client) c;

-- what is no child of anybody is unknown, and nothing is told of the token whose lookup it has
SELECT token AS other FROM tokenauth.issue('agent', 'user:alice') \gset
SELECT tokenauth.derive(:'other') AS others \gset
SELECT what, verdict, token_id, kind, name, derived
  FROM (VALUES ('signature of another', split_part(:'child', '.', 1) || '.' || split_part(:'others', '.', 2) || '.' || split_part(:'others', '.', 3)),
               ('caveats of another', split_part(:'child', '.', 1) || '.' || split_part(:'others', '.', 2) || '.' || split_part(:'child', '.', 3)),
               ('lookup of another', split_part(:'others', '.', 1) || '.' || split_part(:'child', '.', 2) || '.' || split_part(:'child', '.', 3)),
               ('another prefix', 'other_' || substr(:'child', 7)),
               ('no such lookup', 'agent_00000000000.' || split_part(:'child', '.', 2) || '.' || split_part(:'child', '.', 3))) AS f (what, text),
       LATERAL tokenauth.verify(text);
-- what is not written as a child is malformed
SELECT what, verdict
  FROM (VALUES ('no caveats', split_part(:'child', '.', 1) || '..' || split_part(:'child', '.', 3)),
               ('no signature', split_part(:'child', '.', 1) || '.' || split_part(:'child', '.', 2) || '.'),
               ('two of four parts', :'child' || '.' || :'child'),
               ('padding', split_part(:'child', '.', 1) || '.' || split_part(:'child', '.', 2) || '=.' || split_part(:'child', '.', 3)),
               ('blank', ' ' || :'child'),
               ('signature cut', left(:'child', -1)),
               ('too long', 'agent_00000000000.' || repeat('a', 2000) || '.' || split_part(:'child', '.', 3)),
               ('parent and more', :'parent' || '.' || split_part(:'child', '.', 2) || '.' || split_part(:'child', '.', 3)),
               ('dots', repeat('.', 200))) AS f (what, text),
       LATERAL tokenauth.verify(text);
-- its digest is no way to it, with its lookup or without
SELECT verdict FROM tokenauth.verify_digest(split_part(:'child', '.', 1), sha256(:'child'::bytea));
SELECT verdict FROM tokenauth.verify_digest(NULL, sha256(:'child'::bytea));

-- a kind has children, and only those of tokens that were issued since
SELECT token AS early FROM tokenauth.issue('api', 'user:alice') \gset
SELECT verdict FROM tokenauth.verify(tokenauth.derive(:'early'));
UPDATE tokenauth.kind SET derivable = true WHERE name = 'api';
SELECT verdict FROM tokenauth.verify(tokenauth.derive(:'early'));
SELECT r.token AS rotated FROM tokenauth.list() l, LATERAL tokenauth.rotate(l.id) r WHERE l.kind = 'api' \gset
SELECT verdict FROM tokenauth.verify(tokenauth.derive(:'rotated'));
SELECT kind, count(*), count(derive_key), min(octet_length(derive_key)) FROM tokenauth.token GROUP BY kind ORDER BY kind;
UPDATE tokenauth.kind SET derivable = false WHERE name = 'api';
SELECT verdict FROM tokenauth.verify(tokenauth.derive(:'rotated'));
-- an imported token has none; while there are any, what is no child may be one of those
BEGIN;
SELECT tokenauth.import('agent', 'user:alice', encode(sha256('agent_00000000001'), 'hex'), 'sha256') IS NOT NULL AS imported;
SELECT verdict FROM tokenauth.verify('agent_00000000001');
SELECT verdict FROM tokenauth.verify(:'child');
SELECT verdict FROM tokenauth.verify('a.b.c.defgh');
ROLLBACK;

-- it works for as long as the kind lets it
SELECT lifetime, verdict FROM unnest('{1 hour,1 hour 1 second,1 year}'::interval[]) AS lifetime, LATERAL tokenauth.verify(tokenauth.derive(:'parent', lifetime));
UPDATE tokenauth.kind SET max_derived_lifetime = '1 minute' WHERE name = 'agent';
SELECT verdict FROM tokenauth.verify(:'child');
\set VERBOSITY terse
UPDATE tokenauth.kind SET max_derived_lifetime = '0' WHERE name = 'agent';
\echo :SQLSTATE
\set VERBOSITY default
UPDATE tokenauth.kind SET max_derived_lifetime = '1 hour' WHERE name = 'agent';
SELECT verdict FROM tokenauth.verify(:'child');
-- … and no longer than its parent
SELECT v.expires_at = l.expires_at AS parents_end, (v.derived ->> 'expires_at')::timestamptz > l.expires_at AS own_is_later
  FROM tokenauth.issue('agent', 'user:alice', expires_in => '1 minute') i, LATERAL tokenauth.verify(tokenauth.derive(i.token)) v, LATERAL tokenauth.describe(i.id) l;

-- the earlier reason decides, as for tokens, whichever of the two it is of
BEGIN;
SELECT tokenauth.derive(:'parent', networks => '{192.0.2.1}') AS narrow \gset
SELECT tokenauth.revoke_presented(:'narrow') AS killed;
SELECT verdict FROM tokenauth.verify(:'narrow');
ROLLBACK;
SELECT tokenauth.disable(:'parent_id');
SELECT verdict, token_id = :'parent_id' AS parent, name, derived ->> 'label' AS label, owner, expires_at FROM tokenauth.verify(:'child');
SELECT tokenauth.enable(:'parent_id');
SELECT verdict FROM tokenauth.verify(:'child');
BEGIN;
SELECT tokenauth.deactivate('user:alice');
SELECT verdict FROM tokenauth.verify(:'child');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'child');

-- texts that always work, made once: all of n = 0, x = 253402300799, from a token with a row made by hand
INSERT INTO tokenauth.kind (name, prefix, derivable, max_derived_lifetime) VALUES ('ever', 'k_', true, '10000 years');
INSERT INTO tokenauth.token (lookup, id, created_at, owner_epoch, dies_with_owner, digest, algorithm, kind, owner, scopes, data_scopes, created_by, derive_key)
SELECT 81985529216486895, '00000000-0000-7000-8000-000000000001', now(), epoch, true, '\x3137b9971905d730f787c40a0c71105d86ce4b79a369d615ed8f97e4abf4e10b', 'sha256', 'ever', principal, 'devices:* sites:read', '{}', 'role:x',
       '\x4a8417c36daf91b82bb1823579e37784999b61d116c327cf8984cd470a205f4d'
  FROM tokenauth.principal WHERE principal = 'user:alice';
SELECT what, verdict, scopes, data_scopes, expires_at AT TIME ZONE 'UTC' AS ends, derived FROM (VALUES
       ('nothing more', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTl9.A8FoT3cJExzOOW2BBt1680r2NeffBvSn1TSktAlkLdUU5J0QZmltdbKXwxdRGLeszXBMuVJmhVksnxlXRndNYs'),
       ('scopes', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksInMiOlsiZGV2aWNlczpyZWFkIiwidXNlcnM6cmVhZCJdfQ.n69bbTGvMvZOTBTMWVZp8RnhbYGiAVc7mEQOd2CqbNDB0D7e9JCGsvVIInW12RVybkhZiT8m40hTvNo8xTW9h4'),
       ('no scopes', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksInMiOltdfQ.tDPNKwj86Dr7JkNKPEezmcMHD4CJMiB7fYSYTaIWmkoHkzrJPUcKMvubh5kDZmExBHZpsCo6zL0j1TvTS5Ohy7'),
       ('data scopes', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksImQiOnsic2l0ZSI6WyJueWMiXSwiKiI6W119fQ.FWYCowBVBPtOy7R8wiDbty7yQJsQlKFcZHjG05Gb9XRzADHlSn0HUmpMiX6w3hBSF7zouJR3Liww1iLwDTARa6'),
       ('all', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksInMiOlsiZGV2aWNlczoqIl0sImQiOnsiZ3LDtsOfZSI6WyLFgsOzZMW6Il19LCJsIjoifiBhICEifQ.LGRu6ctUhkgPR6L5649OcvMD5ETBStkyKg3ciMbiDWqLJSx4At8UadUEmnNox8LsZPwcD7NSsEOBZTBtOJoaVF')) AS t (what, text), LATERAL tokenauth.verify(text);
-- … in any other spelling, or with what is no scope or network, they are no children although their parent has signed them
SELECT what, verdict FROM (VALUES
       ('keys in another order', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksImwiOiJhIiwicyI6W119.YkHikWmyOwFBYBsR5pCQ86Vljxe8xvPHJqoOmkM5JcUg0rPWxBJKaH2KDVvQFq4PTrs3VeI6GJzy53j8Xqe1JB'),
       ('a key twice', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksInMiOltdLCJzIjpbXX0.lYJKgWvWjGRRq35IDerl9nMOhK87YU63HuqwtvCCmStpz9hjTWNJdokxRBuYznLQKLcWD1RyOBdw4nAz3eKFrm'),
       ('unknown key', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksInoiOjF9.ViWvUANhYLWCFHswGWT1fg53LqNDMhbiJaO9mhehEprWPgYo3hv65tm2k0zQKT9WE5VVcoFINIXh9pVxO4FW6A'),
       ('equal scopes', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksInMiOlsiYSIsImEiXX0.GTggZXIsX8yAlSjVEHSuLFhTiN5QYm9bxqNfaxosdjClGnm4DdYpqQGktwCMRSwAQFMBoxW8EbzBlQkz6oycuS'),
       ('malformed scope', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksInMiOlsiYSBiIl19.mzyGJ2IRzIMzoRMzh90tPHY00LvuVV2znjT9skhoajLeA1Vkh3SAghiC4VEe9eUAGuuJDyFJEsyAOj7xf8Wp6g'),
       ('malformed network', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksInciOlsiMTAuMC4wLjEvOCJdfQ.1oBf8SzCRZ4Ig77m3Yjszp7you3ucys0tMCNFyfLwlzKHWqCtPrkCSJwsQeIZGfc1avICiwx7LREMqtn6kenZl'),
       ('label that is not ASCII', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksImwiOiLDqSJ9.FNRjte7oL50mgIRA0h6eM5TatZDfLEp2vJrTIBLScvUf5oFYBFOgRKznul9WmDUxMfLHMflfxtxbFuXT6iaoJ9'),
       ('empty dimension', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoyNTM0MDIzMDA3OTksImQiOnsiIjpbXX19.oCvIwfAHl5uCP6fzth0UH219ycWpJUgbnes14J1JAXvtAxEMSONu1Qdbue0WCX0mvcYdWLEcsJrpkHaI2j6auA')) AS t (what, text), LATERAL tokenauth.verify(text);
-- … that are not to work yet, or no more
SELECT what, verdict FROM (VALUES
       ('begins in the last second', 'k_063UfDVRKBz.eyJuIjoyNTM0MDIzMDA3OTgsIngiOjI1MzQwMjMwMDc5OX0.IbCkXWnH9ciI1gy2D5qRyEwOjqBNbG24ZRl8c2s8s3qgTJoi1mPMq0r7Yyw8edTFRUlbMR2gjKrHduRL5RsegO'),
       ('ended after the first', 'k_063UfDVRKBz.eyJuIjowLCJ4IjoxfQ.dRzO7QerJfERrAqQpVGunUshniC9FpcyopIpKBhFfVw1JfEvcxZqLkMg8zxHIBYUpavyAgv8RR9UXhDLbDwbor')) AS t (what, text), LATERAL tokenauth.verify(text);

-- a child can be killed alone; the parent and its other children go on
SELECT tokenauth.derive(:'parent', label => 'first') AS first, tokenauth.derive(:'parent', label => 'second') AS second \gset
SELECT verdict FROM tokenauth.verify(:'first');
SELECT tokenauth.revoke_presented(:'first', 'job is done');
SELECT first.verdict AS first, second.verdict AS second, parent.verdict AS parent
  FROM tokenauth.verify(:'first') first, tokenauth.verify(:'second') second, tokenauth.verify(:'parent') parent;
SELECT tokenauth.revoke_presented(:'first'), tokenauth.revoke_presented(:'second' || 'x');
SELECT digest = sha256(:'first'::bytea) AS digest, token_id = :'parent_id' AS parent, expires_at > now() AS lasts FROM tokenauth.derived_death;
SELECT event, token_id = :'parent_id' AS parent, owner, after - 'expires_at' AS after FROM tokenauth.events WHERE event = 'token.derived_revoked';
-- … told and carried out elsewhere
SELECT jsonb_array_length(d -> 'derived') AS derived, d::text LIKE '%' || encode(sha256(:'first'::bytea), 'hex') || '%' AS by_digest
  FROM tokenauth.export_revocations('-infinity') d;
BEGIN;
SELECT tokenauth.export_revocations('-infinity') AS revocations \gset
DELETE FROM tokenauth.derived_death;
SELECT verdict FROM tokenauth.verify(:'first');
SELECT tokenauth.import_revocations(:'revocations');
SELECT tokenauth.import_revocations(:'revocations');
SELECT verdict FROM tokenauth.verify(:'first');
ROLLBACK;
-- … forgotten when it would have ended
SELECT tokenauth.purge('0') >= 0 AS purged, (SELECT count(*) FROM tokenauth.derived_death) AS kept;
UPDATE tokenauth.derived_death SET expires_at = now() - interval '1 hour';
SELECT tokenauth.purge('0') > 0 AS purged;
SELECT count(*) AS kept FROM tokenauth.derived_death;

-- under its identity policies see what is left, and nothing is handed out, changed or killed
BEGIN;
SELECT tokenauth.authenticate(:'child');
SELECT tokenauth.current_owner(), tokenauth.current_kind(), tokenauth.current_scopes(), tokenauth.has_scope('devices:read') AS read, tokenauth.has_scope('devices:write') AS write,
       tokenauth.data_scope('site'), tokenauth.current_token_id() = :'parent_id' AS parent, tokenauth.current_derived() ->> 'label' AS label;
SELECT name FROM tokenauth.list(page_size => 1);
SELECT name FROM tokenauth.describe(:'parent_id');
SELECT tokenauth.grantable('agent', 'user:alice');
CREATE FUNCTION pg_temp.outcome(command text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; RETURN 'done'; EXCEPTION WHEN OTHERS THEN RETURN sqlstate || ' ' || sqlerrm; END $$;
SELECT command, pg_temp.outcome(format(command, :'parent_id', :'parent', :'child')) FROM (VALUES
    ($$SELECT tokenauth.issue('agent', 'user:alice')$$), ($$SELECT tokenauth.edit('%1$s', name => 'x')$$), ($$SELECT tokenauth.rotate('%1$s')$$),
    ($$SELECT tokenauth.revoke('%1$s')$$), ($$SELECT tokenauth.delete('%1$s')$$), ($$SELECT tokenauth.disable('%1$s')$$), ($$SELECT tokenauth.enable('%1$s')$$),
    ($$SELECT tokenauth.reveal('%1$s')$$), ($$SELECT tokenauth.revoke_all(issued_before => now())$$), ($$SELECT tokenauth.import('agent', 'user:alice', repeat('a', 64), 'sha256')$$),
    ($$SELECT tokenauth.revoke_presented('%2$s')$$), ($$SELECT tokenauth.revoke_presented('%3$s')$$), ($$SELECT tokenauth.revoke('%1$s', actor => 'user:alice')$$),
    ($$SELECT tokenauth.put_principal('user:alice')$$), ($$UPDATE tokenauth.kind SET description = 'x'$$)) AS c (command);
-- … it is one identity: neither the parent nor another child
SAVEPOINT other;
SELECT tokenauth.authenticate(:'child') AS again;
SELECT tokenauth.authenticate(:'parent');
\echo :SQLSTATE
ROLLBACK;
BEGIN;
SELECT verdict FROM tokenauth.sign_in(:'parent');
SELECT tokenauth.current_derived();
SELECT tokenauth.sign_in(:'child');
\echo :SQLSTATE
ROLLBACK;
BEGIN;
SELECT verdict FROM tokenauth.sign_in_request(jsonb_build_object('authorization', 'Bearer ' || :'child'));
SELECT tokenauth.current_derived() ->> 'label' AS label;
ROLLBACK;
BEGIN;
SELECT set_config('request.headers', jsonb_build_object('x-api-key', :'child')::text, true) IS NOT NULL AS set;
SELECT tokenauth.pre_request();
SELECT tokenauth.current_owner(), tokenauth.current_derived() ->> 'label' AS label;
ROLLBACK;
-- … in a header of another scheme a text counts if it has the form of a child
SELECT headers ->> 'authorization' LIKE 'Token a%' AS token, verdict
  FROM unnest(ARRAY[jsonb_build_object('authorization', 'Token ' || :'child'), jsonb_build_object('authorization', 'Token ' || :'child' || 'x'),
                    jsonb_build_object('authorization', 'Basic ' || translate(encode(convert_to('x:' || :'child', 'UTF8'), 'base64'), E'\n', ''))]) AS headers,
       LATERAL tokenauth.verify_request(headers);
-- … its label is in the history of what a bound table does under it
CREATE TABLE customers (id int PRIMARY KEY, active bool NOT NULL);
SELECT tokenauth.bind_principals('customers', 'customer', 'id::text', active => 'active');
BEGIN;
SELECT tokenauth.authenticate(:'child');
INSERT INTO customers VALUES (1, true);
COMMIT;
SELECT event, owner, actor, acting_token = :'parent_id' AS parent, acting_label FROM tokenauth.events WHERE owner = 'customer:1';
-- … and what is taken from its parent meanwhile is taken from it
BEGIN;
SELECT tokenauth.authenticate(:'child');
DELETE FROM tokenauth.token WHERE id = :'parent_id';
SELECT tokenauth.list();
\echo :SQLSTATE
ROLLBACK;

-- uses count for the parent
SELECT request_count > 0 AS used FROM tokenauth.tokens WHERE id = :'parent_id';

-- explain tells which check fails, and of which of the two
SELECT tokenauth.revoke_presented(:'second');
SELECT step, passed, regexp_replace(regexp_replace(reason, '[0-9a-f]{8}-[0-9a-f-]+', '<id>'), '[0-9]+ (second|minute|hour)s', '<time>') AS reason FROM tokenauth.explain(:'second', '{devices:write,users:read}');
SELECT step, passed, regexp_replace(reason, '[0-9a-f]{8}-[0-9a-f-]+', '<id>') AS reason FROM tokenauth.explain(:'child', '{devices:write,users:read}') WHERE step LIKE '%scope' OR NOT passed;
SELECT step, passed, left(reason, 40) AS reason FROM tokenauth.explain(split_part(:'child', '.', 1) || '.' || split_part(:'others', '.', 2) || '.' || split_part(:'others', '.', 3));

-- in other text a child is found and hidden like a token
SELECT text, tokenauth.contains_token(filled) AS found, tokenauth.mask(filled) = replace(text, '<C>', left(:'child', 14) || repeat('*', length(:'child') - 14)) AS hidden,
       tokenauth.contains_token(tokenauth.mask(filled)) AS found_after
  FROM (VALUES ('<C>'), ('Bearer <C>, <C>'), ('"<C>"'), ('<C>.'), ('x=<C>&y')) AS t (text), LATERAL (SELECT replace(text, '<C>', :'child') AS filled) f;
CREATE TABLE ticket AS SELECT 1 AS id, 'see ' || :'child' AS body;
SELECT position, hint = left(:'child', 14) || '…' AS hint, status, owner, kind, token_id = :'parent_id' AS parent FROM tokenauth.scan_column('ticket', 'body');

-- what derive() does not take
CREATE FUNCTION pg_temp.state(command text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; RETURN 'taken'; EXCEPTION WHEN OTHERS THEN RETURN sqlstate; END $$;
SELECT what, sqlstate FROM (VALUES
    ('no token', $$SELECT tokenauth.derive('nonsense')$$), ('NULL', $$SELECT tokenauth.derive(NULL)$$), ('a child', $$SELECT tokenauth.derive(:child)$$),
    ('no lifetime', $$SELECT tokenauth.derive(:parent, NULL)$$), ('0', $$SELECT tokenauth.derive(:parent, '0')$$), ('negative', $$SELECT tokenauth.derive(:parent, '-1 second')$$),
    ('mixed', $$SELECT tokenauth.derive(:parent, '1 month -40 days')$$), ('beyond', $$SELECT tokenauth.derive(:parent, '8000 years')$$),
    ('scope', $$SELECT tokenauth.derive(:parent, scopes => '{a b}')$$), ('NULL scope', $$SELECT tokenauth.derive(:parent, scopes => '{NULL}')$$),
    ('data scopes', $$SELECT tokenauth.derive(:parent, data_scopes => '{"site": "nyc"}')$$), ('empty data scopes', $$SELECT tokenauth.derive(:parent, data_scopes => '{}')$$),
    ('quotation mark', $$SELECT tokenauth.derive(:parent, data_scopes => '{"site": ["a\"b"]}')$$), ('line end', $$SELECT tokenauth.derive(:parent, data_scopes => '{"site": ["a\nb"]}')$$),
    ('network', $$SELECT tokenauth.derive(:parent, networks => '{10.0.0.1/8}')$$), ('no networks', $$SELECT tokenauth.derive(:parent, networks => '{}')$$),
    ('empty label', $$SELECT tokenauth.derive(:parent, label => '')$$), ('long label', $$SELECT tokenauth.derive(:parent, label => repeat('a', 65))$$),
    ('other label', $$SELECT tokenauth.derive(:parent, label => 'é')$$), ('label with a quotation mark', $$SELECT tokenauth.derive(:parent, label => 'a"b')$$),
    ('too long', $$SELECT tokenauth.derive(:parent, scopes => (SELECT array_agg('scope' || n) FROM generate_series(1, 200) n))$$)) AS c (what, command),
    LATERAL pg_temp.state(replace(replace(command, ':parent', quote_literal(:'parent')), ':child', quote_literal(:'child'))) AS sqlstate;

-- A child that could work now ends soon, and so does the memory of its death. Others end whenever their maker has said: of each token,
-- a thousand such deaths are remembered.
BEGIN;
SELECT tokenauth.derive(:'parent', '300 days') AS far, tokenauth.derive(:'parent') AS near \gset
SELECT verdict FROM tokenauth.verify(:'far');
SELECT tokenauth.revoke_presented(:'far');
SELECT count(tokenauth.revoke_presented(tokenauth.derive(:'parent', '300 days', label => 'number ' || n))) FROM generate_series(2, 1000) n;
SELECT what, pg_temp.state(format('SELECT tokenauth.revoke_presented(%L)', child))
  FROM (VALUES (1, 'one more', tokenauth.derive(:'parent', '300 days', label => 'one more')), (2, 'one of them again', :'far'), (3, 'one that works now', :'near'),
               (4, 'of another token', tokenauth.derive(:'other', '300 days')), (5, 'their parent', :'parent')) AS c (n, what, child)
 ORDER BY n;
ROLLBACK;
DROP TABLE customers, ticket;
DROP EXTENSION tokenauth;
