-- The view tokens shows every token that was not deleted, with the status that verification would find; list() is the same by call.
-- Neither shows a digest, a lookup or a text; uses are counted without writing the token.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('api', 'api_', 'revoke'), ('patient', 'patient_', 'suspend');
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('live', 'live_', 'live');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.put_principal('user:bob', '{devices:read}');
SELECT tokenauth.put_principal('user:carol', '{devices:read}');
SELECT id AS active, token FROM tokenauth.issue('api', 'user:alice', 'active', 'laptop', metadata => '{"a": 1}', networks => '{10.0.0.0/8}') \gset
SELECT id AS disabled FROM tokenauth.issue('api', 'user:alice', 'disabled') \gset
SELECT id AS later FROM tokenauth.issue('api', 'user:alice', 'not_yet_valid', not_before => now() + '1 day') \gset
SELECT id AS expired FROM tokenauth.issue('api', 'user:alice', 'expired', expires_in => '1 millisecond') \gset
SELECT id AS revoked FROM tokenauth.issue('api', 'user:alice', 'revoked') \gset
SELECT id AS suspended FROM tokenauth.issue('patient', 'user:bob', 'suspended') \gset
SELECT id AS dead FROM tokenauth.issue('api', 'user:bob', 'revoked') \gset
SELECT id AS dropped FROM tokenauth.issue('patient', 'user:carol', 'revoked') \gset
SELECT id AS live FROM tokenauth.issue('live', 'user:alice', 'active') \gset
SELECT id AS deleted FROM tokenauth.issue('api', 'user:alice', 'deleted') \gset
SELECT tokenauth.disable(:'disabled'), tokenauth.revoke(:'revoked', 'stolen'), tokenauth.delete(:'deleted');
SELECT tokenauth.deactivate('user:bob', 'left');
SELECT tokenauth.drop_principal('user:carol');
SELECT pg_sleep(0.01);

-- each status, named as the token here
SELECT owner, name, status, kind, scopes, data_scopes, networks, metadata, description, revoke_reason, revoked_at IS NOT NULL AS died,
       created_by = 'role:' || session_user AS by_me, rotated_from
  FROM tokenauth.tokens ORDER BY created_at;
SELECT count(*) AS wrong FROM tokenauth.tokens WHERE status <> name;

-- the view says what verification says
SELECT tokenauth.put_principal('user:frank', '{devices:read}');
CREATE TABLE held AS
SELECT wanted, i.token, i.id
  FROM unnest('{active,disabled,not_yet_valid,expired,revoked,suspended,suspended and disabled}'::text[]) AS wanted,
       LATERAL tokenauth.issue(CASE WHEN wanted ~ 'suspended' THEN 'patient' ELSE 'api' END, CASE WHEN wanted ~ 'suspended' THEN 'user:frank' ELSE 'user:alice' END,
           not_before => CASE wanted WHEN 'not_yet_valid' THEN now() + '1 day' END, expires_in => CASE wanted WHEN 'expired' THEN interval '1 millisecond' END) i;
SELECT count(tokenauth.disable(id)) FROM held WHERE wanted ~ 'disabled';
SELECT count(tokenauth.revoke(id)) FROM held WHERE wanted = 'revoked';
SELECT tokenauth.deactivate('user:frank');
SELECT pg_sleep(0.01);
SELECT h.wanted, t.status, v.verdict FROM held h JOIN tokenauth.tokens t USING (id), LATERAL tokenauth.verify(h.token) v ORDER BY t.created_at, h.wanted;

-- the columns
SELECT string_agg(attname, ', ' ORDER BY attnum) AS columns FROM pg_attribute WHERE attrelid = 'tokenauth.tokens'::regclass AND attnum > 0;
SELECT string_agg(attname, ', ' ORDER BY attnum) AS columns FROM pg_attribute WHERE attrelid = 'tokenauth.events'::regclass AND attnum > 0;

-- nothing secret in any column of any row: neither text nor secret part, nor digest
SELECT count(*) FROM tokenauth.tokens t
 WHERE t::text LIKE '%' || substr(:'token', 16, 8) || '%' OR t::text LIKE '%' || encode(sha256(:'token'), 'hex') || '%';

-- list(): newest first, all or those of an owner, of a kind
SELECT owner, name, status FROM tokenauth.list() WHERE name IS NOT NULL;
SELECT name FROM tokenauth.list(owner => 'user:bob');
SELECT owner, name FROM tokenauth.list(kind => 'patient', owner => 'user:bob');
SELECT count(*) FROM tokenauth.list(owner => 'user:nobody');
SELECT count(*) FROM tokenauth.list(kind => 'robot');
SELECT count(*) FROM tokenauth.list(owner => '');
SELECT (SELECT count(*) FROM tokenauth.list()) = (SELECT count(*) FROM tokenauth.tokens) AS same;
SELECT (tokenauth.list('session', 'user:bob')).status;
SELECT tokenauth.list(actor => NULL);
\echo :SQLSTATE
SELECT tokenauth.list(owner => NULL);
\echo :SQLSTATE
SELECT tokenauth.list(kind => NULL);
\echo :SQLSTATE
SELECT tokenauth.list('user:nobody');
\echo :SQLSTATE

-- a token that was never used
SELECT last_used_at, request_count, denied_count FROM tokenauth.tokens WHERE id = :'active';
-- a use is seen at once, and the token itself is not written
SELECT xmin AS version FROM tokenauth.token WHERE id = :'active' \gset
SELECT verdict FROM tokenauth.verify(:'token', client => '10.0.0.1');
SELECT last_used_at > now() - '1 minute'::interval AS just_now, request_count, denied_count FROM tokenauth.tokens WHERE id = :'active';
-- … a denial is counted, and is no use
SELECT last_used_at AS used FROM tokenauth.tokens WHERE id = :'active' \gset
SELECT verdict FROM tokenauth.verify(:'token', client => '11.0.0.1');
SELECT last_used_at = :'used' AS unchanged, denied_count FROM tokenauth.tokens WHERE id = :'active';
SELECT xmin = :'version' AS token_not_written FROM tokenauth.token WHERE id = :'active';
-- … none in a read-only transaction, nor with tracking off, which only superusers may turn off
SELECT id, token FROM tokenauth.issue('api', 'user:alice') \gset
BEGIN READ ONLY;
SELECT verdict FROM tokenauth.verify(:'token');
COMMIT;
SELECT last_used_at, request_count FROM tokenauth.tokens WHERE id = :'id';
SELECT id, token FROM tokenauth.issue('api', 'user:alice') \gset
SET tokenauth.usage_tracking = off;
SELECT verdict FROM tokenauth.verify(:'token');
RESET tokenauth.usage_tracking;
SELECT last_used_at, request_count FROM tokenauth.tokens WHERE id = :'id';
SELECT name, context, boot_val FROM pg_settings WHERE name LIKE 'tokenauth.%' ORDER BY name;
-- … many in one statement
SELECT id, token FROM tokenauth.issue('api', 'user:alice') \gset
SELECT count(*) FROM generate_series(1, 100) AS n, LATERAL tokenauth.verify(:'token', client => '10.0.0.' || n) v WHERE v.ok;
SELECT last_used_at IS NOT NULL AS used, request_count BETWEEN 1 AND 100 AS counted FROM tokenauth.tokens WHERE id = :'id';
-- … and one that is rolled back is none
SELECT id, token FROM tokenauth.issue('api', 'user:alice') \gset
BEGIN;
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;
SELECT last_used_at, request_count FROM tokenauth.tokens WHERE id = :'id';

-- the views cannot be written
DELETE FROM tokenauth.tokens;
\echo :SQLSTATE
