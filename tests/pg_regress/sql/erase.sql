-- erase() forgets a principal: its tokens die, and nothing in any table tells any more who it was, while history keeps its shape.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('key', 'key_', '{user,org}');
SELECT tokenauth.put_principal('user:ada', '{devices:*}', '{"site": ["lon"]}', display_name => 'Ada Lovelace');
SELECT tokenauth.put_principal('user:bob', '{devices:*}');
SELECT tokenauth.put_principal('org:acme', '{devices:*}');
SELECT tokenauth.add_member('org:acme', 'user:ada', '{devices:read}');
SELECT id, token FROM tokenauth.issue('key', 'user:ada', 'Adas laptop', description => 'the Lovelace one', scopes => '{devices:read}',
       networks => '{192.0.2.7/32}', metadata => '{"mail": "ada@example.org"}') \gset
SELECT name FROM tokenauth.edit(:'id', name => 'Adas other laptop');
SELECT id AS rotated FROM tokenauth.issue('key', 'user:ada', 'Adas phone') \gset
SELECT name FROM tokenauth.rotate(:'rotated', grace => '1 day');
-- what she has done to others, and to herself
SELECT id AS bobs FROM tokenauth.issue('key', 'user:bob', 'Bobs') \gset
BEGIN;
SELECT tokenauth.authenticate(:'token', client => '192.0.2.7');
SELECT tokenauth.revoke(:'rotated', reason => 'lost in Adas garden');
COMMIT;
UPDATE tokenauth.token SET created_by = 'user:ada', revoked_by = 'user:ada', revoked_at = now(), revoke_reason = 'by Bob himself' WHERE id = :'bobs';
SELECT tokenauth.deactivate('user:ada', 'Ada is away');
SELECT tokenauth.activate('user:ada');
-- where one of her tokens has leaked, and what another was derived for
UPDATE tokenauth.kind SET derivable = true;
SELECT token AS parent FROM tokenauth.issue('key', 'user:ada') \gset
SELECT tokenauth.revoke_presented(tokenauth.derive(:'parent', label => 'Adas script'));
SELECT jsonb_array_length(tokenauth.report_leak(jsonb_build_array(jsonb_build_object(
       'token', :'parent', 'url', 'https://example.com/Lovelace', 'source', 'Adas gist'))));
UPDATE tokenauth.usage SET last_client = '192.0.2.7' WHERE token_id <> :'bobs';
INSERT INTO tokenauth.usage_hourly (token_id, hour, request_count, denied_count, networks) VALUES (:'id', date_trunc('hour', now()), 1, 0, '{192.0.2.0/24}');
SELECT count(*) AS events FROM tokenauth.events \gset
CREATE TABLE history AS SELECT row_number() OVER (ORDER BY id) AS n, id, at, event, token_id, kind FROM tokenauth.events;

-- every text in every table
CREATE FUNCTION traces(needle text, OUT place text, OUT times bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    FOR place IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind = 'r' ORDER BY 1 LOOP
        EXECUTE format('SELECT count(*) FROM %s t WHERE to_jsonb(t)::text ILIKE ''%%'' || $1 || ''%%''', place) INTO times USING needle;
        IF times > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    place := 'statistics';
    SELECT count(*) INTO times FROM pg_stats s WHERE s.schemaname = 'tokenauth' AND to_jsonb(s)::text ILIKE '%' || needle || '%';
    IF times > 0 THEN
        RETURN NEXT;
    END IF;
END $$;
ANALYZE tokenauth.principal, tokenauth.token, tokenauth.event, tokenauth.member, tokenauth.mass_death, tokenauth.usage, tokenauth.usage_hourly, tokenauth.as_issued;
SELECT needle, count(*) > 0 AS is_somewhere FROM unnest('{user:ada,Lovelace,Adas,192.0.2,ada@example}'::text[]) needle, traces(needle) GROUP BY 1 ORDER BY 1;

SELECT tokenauth.erase('user:ada') > 0 AS changed;

-- she is nowhere
SELECT needle, place, times FROM unnest('{user:ada,Lovelace,Adas,192.0.2,ada@example,"away"}'::text[]) needle, traces(needle);
-- her tokens are dead, and stand for themselves
SELECT verdict FROM tokenauth.verify(:'token');
SELECT status, owner ~ '^user:erased-[0-9a-f-]{36}$' AS erased, name, description, metadata, networks, hint IS NOT NULL AS hint, created_at IS NOT NULL AS created, revoke_reason
  FROM tokenauth.tokens WHERE id = :'id';
SELECT count(DISTINCT owner) AS owners, count(*) AS tokens FROM tokenauth.tokens WHERE owner LIKE 'user:erased-%';
-- so are those of others whom she has issued or revoked, but for her
SELECT name, owner, created_by LIKE 'user:erased-%' AS created, revoked_by LIKE 'user:erased-%' AS revoked, revoke_reason FROM tokenauth.tokens WHERE id = :'bobs';
-- history keeps its shape, and says that somebody was erased
SELECT count(*) = :events AS as_many, count(*) FILTER (WHERE h.event = e.event AND h.at = e.at AND h.token_id IS NOT DISTINCT FROM e.token_id) = :events AS same
  FROM history h JOIN tokenauth.events e USING (id);
SELECT event, owner LIKE 'user:erased-%' AS owner, actor, after - 'rows' AS after FROM tokenauth.events e WHERE NOT EXISTS (SELECT FROM history h WHERE h.id = e.id) ORDER BY id;
SELECT DISTINCT actor LIKE 'user:erased-%' AS acted FROM tokenauth.events WHERE event = 'token.revoked' AND token_id = :'rotated';
SELECT e.after - 'hint' AS after FROM tokenauth.events e WHERE e.token_id = :'id' AND e.event = 'token.issued';
SELECT after ->> 'member' LIKE 'user:erased-%' AS member FROM tokenauth.events WHERE event = 'member.added';
-- memberships are gone
SELECT count(*) FROM tokenauth.member;

-- the id that stands for her is nobody's
SELECT owner AS erased FROM tokenauth.tokens WHERE id = :'id' \gset
SELECT tokenauth.put_principal(:'erased');
\echo :SQLSTATE
DO $$ BEGIN PERFORM tokenauth.activate(owner) FROM tokenauth.tokens WHERE owner LIKE 'user:erased-%' LIMIT 1; EXCEPTION WHEN undefined_object THEN RAISE NOTICE 'unknown'; END $$;
DO $$ BEGIN PERFORM tokenauth.issue('key', owner) FROM tokenauth.tokens WHERE owner LIKE 'user:erased-%' LIMIT 1; EXCEPTION WHEN undefined_object THEN RAISE NOTICE 'unknown'; END $$;
SELECT tokenauth.erase(:'erased');
\echo :SQLSTATE
-- hers is not used again, but by others that look like it
SELECT tokenauth.put_principal('user:ada', '{devices:*}');
\echo :SQLSTATE
SELECT tokenauth.issue('key', 'user:ada');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:Ada'), tokenauth.put_principal('org:ada'), tokenauth.put_principal('user:dora', '{devices:*}');
SELECT owner FROM tokenauth.issue('key', 'user:dora');
SELECT verdict FROM tokenauth.verify(:'token');

-- whoever was dropped before can be forgotten all the same
SELECT tokenauth.put_principal('user:cid', display_name => 'Cid Campeador');
SELECT token AS cids FROM tokenauth.issue('key', 'user:cid', 'Cids', scopes => '{}') \gset
SELECT tokenauth.drop_principal('user:cid');
SELECT tokenauth.erase('user:cid') > 0 AS changed;
SELECT needle, place, times FROM unnest('{user:cid,Cid}'::text[]) needle, traces(needle);
-- an id that contains another, quotes or backslashes is its own
SELECT tokenauth.put_principal('user:a"b\c'), tokenauth.put_principal('user:a"b\c2');
SELECT owner FROM tokenauth.issue('key', 'user:a"b\c', scopes => '{}'), LATERAL (SELECT tokenauth.add_member('org:acme', 'user:a"b\c')) m;
SELECT tokenauth.erase('user:a"b\c') > 0 AS changed;
SELECT owner, event FROM tokenauth.events WHERE owner LIKE 'user:a%' ORDER BY id;
SELECT count(*) FROM tokenauth.events WHERE before::text LIKE '%user:a\\\\"b\\\\\\\\c"%' OR after::text LIKE '%user:a\\\\"b\\\\\\\\c"%';

-- a bound row would bring it back
CREATE TABLE person (id text PRIMARY KEY, name text);
INSERT INTO person VALUES ('eve', 'Eve Online');
SELECT tokenauth.bind_principals('person', 'person', 'id', display_name => 'name');
SELECT tokenauth.erase('person:eve');
\echo :SQLSTATE
DELETE FROM person;
SELECT tokenauth.erase('person:eve') > 0 AS changed;
-- … as a row that comes later does not
INSERT INTO person VALUES ('eve', 'Eve Online');
\echo :SQLSTATE
INSERT INTO person VALUES ('adam', 'Adam'), ('eve', 'Eve Online');
\echo :SQLSTATE
INSERT INTO person VALUES ('adam', 'Adam');
UPDATE person SET id = 'eve';
\echo :SQLSTATE
DELETE FROM person;
SELECT needle, place, times FROM unnest('{person:eve,Eve Online}'::text[]) needle, traces(needle);
-- … and so would a bound membership
CREATE TABLE membership (org text, member text, PRIMARY KEY (org, member));
SELECT tokenauth.remove_member('org:acme', 'user:bob');
SELECT tokenauth.bind_members('membership', 'org', 'member');
INSERT INTO membership VALUES ('org:acme', 'user:bob');
SELECT tokenauth.erase('user:bob');
\echo :SQLSTATE
DELETE FROM membership;
SELECT tokenauth.erase('user:bob') > 0 AS changed;
SELECT needle, place, times FROM unnest('{user:bob}'::text[]) needle, traces(needle);

-- what was exported before brings nothing of it back
SELECT tokenauth.put_principal('user:gil'), tokenauth.put_principal('user:hal');
SELECT id AS gils FROM tokenauth.issue('key', 'user:gil', scopes => '{}') \gset
SELECT id AS hals FROM tokenauth.issue('key', 'user:hal', scopes => '{}') \gset
SELECT tokenauth.erase('user:gil') > 0 AS changed;
SELECT tokenauth.import_revocations(jsonb_build_object('version', 1, 'tokens', jsonb_build_array(
       jsonb_build_object('id', :'gils', 'at', now(), 'by', 'user:gil', 'reason', 'gil left'),
       jsonb_build_object('id', :'hals', 'at', now(), 'by', 'user:gil', 'reason', 'found by chance')))) AS killed;
SELECT needle, place, times FROM unnest('{user:gil,gil left}'::text[]) needle, traces(needle);
SELECT status, revoked_by, revoke_reason FROM tokenauth.tokens WHERE id = :'hals';

-- nobody else's history can be changed
UPDATE tokenauth.event SET owner = 'user:x';
\echo :SQLSTATE
-- what nobody can mean
SELECT tokenauth.erase(NULL);
\echo :SQLSTATE
SELECT tokenauth.erase('nonsense');
\echo :SQLSTATE
SELECT tokenauth.erase('user:nobody');
\echo :SQLSTATE
-- a rollback takes it back
BEGIN;
SELECT tokenauth.erase('user:dora') > 0 AS changed;
ROLLBACK;
SELECT count(*) FROM tokenauth.tokens WHERE owner = 'user:dora' AND status = 'active';
-- a copy from before knows the principal by the id that is gone: what the erasure killed is told token by token
SELECT tokenauth.put_principal('user:restored', '{devices:read}');
SELECT id AS restored FROM tokenauth.issue('key', 'user:restored') \gset
SELECT id AS earlier FROM tokenauth.issue('key', 'user:restored') \gset
SELECT tokenauth.revoke(:'earlier');
SELECT clock_timestamp() AS moment \gset
SELECT tokenauth.erase('user:restored') > 0 AS changed;
SELECT t ->> 'id' = :'restored' AS is_the_one_that_died
  FROM tokenauth.export_revocations(:'moment') d, jsonb_array_elements(d -> 'tokens') t;
-- under an identity nobody erases
SELECT token AS own FROM tokenauth.issue('key', 'user:dora') \gset
BEGIN;
SELECT tokenauth.authenticate(:'own');
SELECT tokenauth.erase('user:dora');
\echo :SQLSTATE
ROLLBACK;
-- purge() forgets which tokens were erased once they are gone
SELECT count(*) > 0 AS remembered FROM tokenauth.erased;
SELECT tokenauth.purge('0') > 0 AS removed;
SELECT count(*) FROM tokenauth.erased;
