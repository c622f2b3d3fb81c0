-- A restored backup brings back to life what died after it was made. export_revocations() tells what that was, import_revocations() makes
-- it die again: it kills, suspends and shortens, never brings anything back, and done twice it changes nothing more.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('patient', 'patient_', 'suspend');
SELECT count(tokenauth.put_principal('user:' || name, '{devices:read}')) FROM unnest('{alice,bob,carol,dora,emil}'::text[]) AS name;
CREATE TABLE held AS
SELECT i.name, i.id, i.token
  FROM unnest('{alive,revoked,revoked before,deleted,disabled,enabled again,rotated,shortened,prolonged,by kind}'::text[]) AS wanted,
       LATERAL tokenauth.issue(CASE WHEN wanted = 'by kind' THEN 'patient' ELSE 'api' END, 'user:alice', wanted, expires_in => '100 days') i;
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:bob', 'owner deactivated');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('patient', 'user:bob', 'owner deactivated: suspended');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:carol', 'all of the owner revoked');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('patient', 'user:dora', 'owner dropped');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:emil', 'owner deactivated and back');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('patient', 'user:emil', 'owner back: not suspended any more');
SELECT tokenauth.revoke(id, 'too early') FROM held WHERE name = 'revoked before';

-- the backup: everything as it is now
CREATE TABLE backup_of_token AS SELECT * FROM tokenauth.token;
CREATE TABLE backup_of_principal AS SELECT * FROM tokenauth.principal;
CREATE TABLE backup_of_mass_death AS SELECT * FROM tokenauth.mass_death;
SELECT clock_timestamp() AS backup \gset

-- what happens after it
SELECT tokenauth.revoke(id, 'stolen') FROM held WHERE name = 'revoked';
SELECT tokenauth.delete(id) FROM held WHERE name = 'deleted';
SELECT tokenauth.disable(id) FROM held WHERE name IN ('disabled', 'enabled again');
SELECT tokenauth.enable(id) FROM held WHERE name = 'enabled again';
SELECT r.name FROM held, LATERAL tokenauth.rotate(held.id, grace => '1 day') r WHERE held.name = 'rotated';
SELECT e.name FROM held, LATERAL tokenauth.edit(held.id, expires_in => '1 hour') e WHERE held.name = 'shortened';
SELECT e.name FROM held, LATERAL tokenauth.edit(held.id, expires_in => '200 days') e WHERE held.name = 'prolonged';
SELECT tokenauth.revoke_all(kind => 'patient', owner => 'user:alice', reason => 'breach');
SELECT tokenauth.deactivate('user:bob', 'left');
SELECT tokenauth.revoke_all('user:carol', reason => 'laptop lost');
SELECT tokenauth.drop_principal('user:dora');
SELECT tokenauth.deactivate('user:emil'), tokenauth.activate('user:emil');
SELECT id AS newer FROM tokenauth.issue('api', 'user:alice', 'newer') \gset
SELECT tokenauth.revoke(:'newer');

-- told as ids and names
SELECT tokenauth.export_revocations(:'backup') AS revocations \gset
SELECT key, CASE jsonb_typeof(value) WHEN 'array' THEN jsonb_array_length(value)::text ELSE jsonb_typeof(value) END AS value
  FROM jsonb_each(:'revocations') ORDER BY key;
SELECT name, value - '{id,at,by}'::text[] AS told FROM jsonb_array_elements(:'revocations'::jsonb -> 'tokens') LEFT JOIN held ON held.id = (value ->> 'id')::uuid
 ORDER BY name;
SELECT value - '{at,by}'::text[] AS told FROM jsonb_array_elements(:'revocations'::jsonb -> 'owners');
SELECT value AS told FROM jsonb_array_elements(:'revocations'::jsonb -> 'inactive');
SELECT list, held.name FROM (SELECT 'disabled' AS list, value FROM jsonb_array_elements(:'revocations'::jsonb -> 'disabled')
                             UNION ALL SELECT 'expiries', value FROM jsonb_array_elements(:'revocations'::jsonb -> 'expiries')) e
  JOIN held ON held.id = (value ->> 'id')::uuid ORDER BY list, held.name;
-- … without secret or digest
SELECT count(*) FROM tokenauth.token WHERE :'revocations' LIKE '%' || encode(digest, 'hex') || '%' OR :'revocations' LIKE '%' || encode(digest, 'base64') || '%';

-- the backup is restored, and what died is alive again
BEGIN;
DELETE FROM tokenauth.token; DELETE FROM tokenauth.principal; DELETE FROM tokenauth.mass_death;
INSERT INTO tokenauth.token SELECT * FROM backup_of_token;
INSERT INTO tokenauth.principal SELECT * FROM backup_of_principal;
INSERT INTO tokenauth.mass_death SELECT * FROM backup_of_mass_death;
COMMIT;
SELECT held.name, v.verdict FROM held, LATERAL tokenauth.verify(held.token) v ORDER BY held.name;
-- … and somebody has already issued new tokens
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:carol', 'issued since the restore');

-- it dies again, and nothing else
SELECT tokenauth.import_revocations(:'revocations');
SELECT held.name, v.verdict FROM held, LATERAL tokenauth.verify(held.token) v ORDER BY held.name;
SELECT held.name, expires_at < now() + interval '1 day 1 hour' AS shortened FROM held JOIN tokenauth.tokens t USING (id)
 WHERE held.name IN ('rotated', 'shortened', 'prolonged') ORDER BY 1;
-- … with when, by whom and why it died the first time
SELECT held.name, revoked_at BETWEEN :'backup' AND (:'revocations'::jsonb ->> 'until')::timestamptz AS back_then, revoked_by = 'role:' || session_user AS by_me,
       revoke_reason
  FROM held JOIN tokenauth.tokens t USING (id) WHERE status = 'revoked' ORDER BY 1;
SELECT event, owner, after FROM tokenauth.events WHERE at > (:'revocations'::jsonb ->> 'until')::timestamptz AND event <> 'token.issued' ORDER BY id;
-- … and told again from here it is the same, but for what this copy never had
SELECT (SELECT count(*) FROM jsonb_array_elements(:'revocations'::jsonb -> 'tokens') t
         WHERE t NOT IN (SELECT jsonb_array_elements(tokenauth.export_revocations(:'backup') -> 'tokens'))) AS missing;

-- once more it changes nothing
SELECT tokenauth.import_revocations(:'revocations');
SELECT count(*) FROM tokenauth.events WHERE event = 'revocations.imported';
-- … nor does it undo what was decided since, but for owners that are told to be inactive
SELECT tokenauth.activate('user:bob');
SELECT tokenauth.import_revocations(jsonb_set(:'revocations', '{inactive}', '[]'));
SELECT verdict FROM held, LATERAL tokenauth.verify(token) v WHERE held.name = 'owner deactivated: suspended';

-- since the beginning
SELECT jsonb_array_length(tokenauth.export_revocations('-infinity') -> 'tokens') > jsonb_array_length(:'revocations'::jsonb -> 'tokens') AS more;
SELECT tokenauth.export_revocations('infinity') - 'until';

-- what is unknown is counted, each once in whatever lists it is, and no error
SELECT tokenauth.import_revocations('{"version": 1, "tokens": [{"id": "00000000-0000-7000-8000-000000000000", "at": "2026-01-01T00:00:00Z", "by": "role:x"}],
    "inactive": [{"principal": "user:nobody"}], "owners": [{"owner": "user:nobody", "at": "2026-01-01T00:00:00Z", "by": "role:x", "covers": "all"}]}');
SELECT tokenauth.import_revocations('{"version": 1, "owners": [{"owner": "user:nobody", "at": "2026-01-01T00:00:00Z", "by": "role:x", "covers": "all"},
                                                               {"owner": "user:carol", "at": "2020-01-01T00:00:00Z", "by": "role:x", "covers": "all"}],
    "disabled": [{"id": "00000000-0000-7000-8000-000000000001", "at": "2026-01-01T00:00:00Z"}],
    "expiries": [{"id": "00000000-0000-7000-8000-000000000001", "at": "2026-01-01T00:00:00Z"}, {"id": "00000000-0000-7000-8000-000000000002", "at": "2026-01-01T00:00:00Z"}]}');
SELECT tokenauth.import_revocations('{"version": 1}');

-- a moment kills what had been issued before it
SELECT tokenauth.import_revocations(jsonb_build_object('version', 1, 'owners', jsonb_build_array(
    jsonb_build_object('owner', 'user:carol', 'at', clock_timestamp(), 'by', 'role:x', 'covers', 'all'))));
SELECT v.verdict FROM held, LATERAL tokenauth.verify(token) v WHERE held.name = 'issued since the restore';

-- what is not such a document
CREATE FUNCTION refused(revocations jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE told text; detail text;
BEGIN
    RETURN 'imported ' || tokenauth.import_revocations(revocations);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS told = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, told, detail);
END $$;
SELECT document, refused(document::jsonb)
  FROM unnest(ARRAY['null', '1', '[]', '{}', '"1"', '{"version": 2}', '{"version": "1"}', '{"version": 1, "token": []}', '{"version": 1, "tokens": {}}',
           '{"version": 1, "tokens": [1]}', '{"version": 1, "tokens": [{"id": "x"}]}']) AS document;
SELECT refused(jsonb_build_object('version', 1, list, jsonb_build_array(element::jsonb)))
  FROM (VALUES ('tokens', '{"id": "api_1234567890", "at": "2026-01-01", "by": "x"}'),
               ('tokens', '{"id": "00000000-0000-7000-8000-000000000000", "at": "then", "by": "x"}'),
               ('tokens', '{"id": "00000000-0000-7000-8000-000000000000", "at": "tomorrow", "by": "x"}'),
               ('tokens', '{"id": "00000000-0000-7000-8000-000000000000", "at": "2026-02-30", "by": "x"}'),
               ('tokens', '{"id": "00000000-0000-7000-8000-000000000000", "at": "9999-01-01", "by": "x"}'),
               ('tokens', '{"id": "00000000-0000-7000-8000-000000000000", "at": "10000-01-01", "by": "x"}'),
               ('tokens', '{"id": "00000000-0000-7000-8000-000000000000", "at": "2026-01-01", "by": null}'),
               ('owners', '{"owner": "nobody", "at": "2026-01-01", "by": "x", "covers": "all"}'),
               ('owners', '{"owner": "user:alice", "at": "2026-01-01", "by": "x", "covers": "some"}'),
               ('disabled', '{"id": "1", "at": "2026-01-01"}'),
               ('expiries', '{"id": "00000000-0000-7000-8000-000000000000", "at": "infinity"}'),
               ('inactive', '{"principal": "user"}'), ('inactive', '{}')) AS e (list, element);
SELECT refused(jsonb_build_object('version', 1, 'inactive', jsonb_build_array(jsonb_build_object('principal', 'user:alice', 'reason', repeat('x', 8193)))));
SELECT tokenauth.import_revocations(NULL);
\echo :SQLSTATE
SELECT tokenauth.export_revocations(NULL);
\echo :SQLSTATE

-- a mass death is told to the microsecond: a token issued just before it dies, one issued just after it does not
SELECT tokenauth.put_principal('user:dave');
SELECT id FROM tokenauth.issue('api', 'user:dave') \gset
CREATE FUNCTION died_at(moment timestamptz) RETURNS bigint LANGUAGE sql AS $$
    SELECT tokenauth.import_revocations(jsonb_build_object('version', 1, 'owners', jsonb_build_array(
        jsonb_build_object('owner', 'user:dave', 'at', moment, 'by', 'role:x', 'covers', 'all'))))
$$;
SELECT died_at(created_at) FROM tokenauth.tokens WHERE id = :'id';
SELECT died_at(created_at + '1 microsecond') FROM tokenauth.tokens WHERE id = :'id';

-- it dies for good: the commit waits for the disk, and cannot be prepared
BEGIN;
SELECT tokenauth.import_revocations('{"version": 1}');
PREPARE TRANSACTION 'import';
\echo :SQLSTATE

-- a revocation that nobody signed, such as one that a migration has written, is told as one by somebody unknown
SELECT token AS unsigned, id AS unsigned_id FROM tokenauth.issue('api', 'user:dave', 'unsigned') \gset
UPDATE tokenauth.token SET revoked_at = clock_timestamp() WHERE id = :'unsigned_id';
SELECT tokenauth.export_revocations(:'backup') AS revocations \gset
SELECT value ->> 'by' AS by FROM jsonb_array_elements(:'revocations'::jsonb -> 'tokens') WHERE value ->> 'id' = :'unsigned_id';
UPDATE tokenauth.token SET revoked_at = NULL WHERE id = :'unsigned_id';
SELECT verdict FROM tokenauth.verify(:'unsigned');
SELECT tokenauth.import_revocations(:'revocations');
SELECT verdict FROM tokenauth.verify(:'unsigned');
SELECT revoked_by FROM tokenauth.tokens WHERE id = :'unsigned_id';
