-- explain() shows each check of a verification in its order, passed or not, with a reason that a DBA can act on; a text is read
-- as a token, a uuid as an id. What it says agrees with verify(), and no answer shows a token.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, permission_mode, owner_inactive, ceiling, issue_permission) VALUES
    ('key', 'key_', 'intersect', 'revoke', NULL, NULL), ('patient', 'patient_', 'intersect', 'suspend', NULL, NULL),
    ('live', 'live_', 'live', 'revoke', NULL, NULL), ('snapshot', 'snapshot_', 'snapshot', 'revoke', NULL, NULL),
    ('reader', 'reader_', 'live', 'revoke', '{*:read}', NULL), ('system', 'system_', 'all', 'revoke', NULL, 'tokens:system');
SELECT tokenauth.put_principal('user:1', '{devices:read,devices:write}');
SELECT token, id FROM tokenauth.issue('key', 'user:1', scopes => '{devices:read}') \gset
CREATE FUNCTION agree(token_or_id text, token text, required text[] = '{}', client text = NULL) RETURNS boolean LANGUAGE sql AS $$
SELECT (SELECT bool_and(passed) FROM tokenauth.explain(token_or_id, required, client)) = (tokenauth.verify(token, required, client)).ok
$$;

-- every check passes: by text, with its form; by id, where there is none
SELECT * FROM tokenauth.explain(:'token');
SELECT * FROM tokenauth.explain(:'id');
SELECT * FROM tokenauth.explain(upper(:'id'), '{devices:read}');
SELECT agree(:'token', :'token'), agree(:'id', :'token', '{devices:read}');

-- what is no token, and what could be one
SELECT * FROM tokenauth.explain('');
SELECT * FROM tokenauth.explain('key_short');
SELECT * FROM tokenauth.explain(repeat('x', 100000));
SELECT * FROM tokenauth.explain(left(:'token', -1) || '-');
SELECT * FROM tokenauth.explain(left(:'token', -6) || '000000');
SELECT token AS deleted_token, id AS deleted FROM tokenauth.issue('key', 'user:1') \gset
BEGIN;
SELECT token AS never FROM tokenauth.issue('key', 'user:1') \gset
ROLLBACK;
SELECT * FROM tokenauth.explain(:'never');
SELECT agree(:'never', :'never'), agree('key_short', 'key_short');

-- revoked, by whom and why, and disabled
SELECT token AS dead, id AS dead_id FROM tokenauth.issue('key', 'user:1') \gset
SELECT tokenauth.revoke(:'dead_id', 'lost laptop', 'user:1');
SELECT step, passed, regexp_replace(reason, '\d+ seconds', 'N seconds') AS reason FROM tokenauth.explain(:'dead') WHERE NOT passed;
SELECT step, passed, regexp_replace(reason, '\d+ seconds', 'N seconds') AS reason FROM tokenauth.explain(:'dead_id') WHERE NOT passed;
SELECT agree(:'dead', :'dead');
SELECT token AS off, id AS off_id FROM tokenauth.issue('key', 'user:1') \gset
SELECT tokenauth.disable(:'off_id');
SELECT * FROM tokenauth.explain(:'off_id') WHERE NOT passed;
SELECT agree(:'off', :'off');
SELECT tokenauth.delete(:'deleted');
SELECT * FROM tokenauth.explain(:'deleted_token') WHERE NOT passed;
SELECT agree(:'deleted_token', :'deleted_token');

-- times: not begun, expired, and what lies ahead
SELECT token AS early FROM tokenauth.issue('key', 'user:1', not_before => clock_timestamp() + interval '10 days 1 hour', expires_in => '20 days 1 hour') \gset
SELECT * FROM tokenauth.explain(:'early') WHERE step IN ('begun', 'not expired');
SELECT agree(:'early', :'early');
SELECT token AS late, id AS late_id FROM tokenauth.issue('key', 'user:1', expires_in => '1 day') \gset
SELECT step, passed, reason ~ '^it expires in 2[34] hours$' AS reason FROM tokenauth.explain(:'late') WHERE step = 'not expired';
UPDATE tokenauth.token SET expires_at = clock_timestamp() - interval '3 hours 1 minute' WHERE id = :'late_id';
SELECT * FROM tokenauth.explain(:'late') WHERE NOT passed;
SELECT agree(:'late', :'late');

-- networks: the client is inside, outside, absent or no address
SELECT token AS bound FROM tokenauth.issue('key', 'user:1', networks => '{10.0.0.0/8,2001:db8::/32}') \gset
SELECT client, e.passed, e.reason, agree(:'bound', :'bound', '{}', client)
  FROM (VALUES ('10.1.2.3'), ('10.1.2.3:443'), ('::ffff:10.1.2.3'), ('[2001:db8::1]:443'), ('192.0.2.1'), ('nowhere'), (NULL)) c (client),
       LATERAL tokenauth.explain(:'bound', client => client) e WHERE e.step = 'network';
SELECT * FROM tokenauth.explain(:'token', client => '192.0.2.1') WHERE step = 'network';

-- scopes: granted, not chosen, lost by the owner, beyond the ceiling; each one asked for is a check of its own
SELECT step, passed, reason FROM tokenauth.explain(:'token', '{devices:read,devices:write,sites:read}') WHERE step = 'scope';
SELECT agree(:'token', :'token', '{devices:read}'), agree(:'token', :'token', '{devices:write}'), agree(:'token', :'token', '{devices:*}');
CREATE TABLE held AS
SELECT k.name AS kind, i.token FROM tokenauth.kind k, LATERAL tokenauth.issue(k.name, 'user:1') i WHERE k.name <> 'key';
SELECT tokenauth.put_principal('user:1', '{devices:read}');
SELECT h.kind, e.passed, e.reason, agree(h.token, h.token, ARRAY[r.scope])
  FROM held h, unnest('{devices:read,devices:write}'::text[]) AS r (scope), LATERAL tokenauth.explain(h.token, ARRAY[r.scope]) e
 WHERE e.step = 'scope' ORDER BY h.kind, r.scope;
SELECT tokenauth.put_principal('user:1', '{devices:read,devices:write}');

-- the owner: inactive, with the reason, for a kind that dies and one that waits
BEGIN;
SELECT tokenauth.deactivate('user:1', 'left the company');
SELECT step, passed, regexp_replace(replace(reason, session_user, 'ME'), '\d+ seconds', 'N seconds') AS reason FROM tokenauth.explain(:'token') WHERE NOT passed;
SELECT agree(:'token', :'token');
SELECT e.step, regexp_replace(replace(e.reason, session_user, 'ME'), '\d+ seconds', 'N seconds') AS reason, agree(h.token, h.token) FROM held h, LATERAL tokenauth.explain(h.token) e WHERE h.kind = 'patient' AND NOT e.passed;
-- … active again, the one that died stays dead
SELECT tokenauth.activate('user:1');
SELECT step, passed, regexp_replace(replace(reason, session_user, 'ME'), '\d+ seconds', 'N seconds') AS reason FROM tokenauth.explain(:'token') WHERE NOT passed;
SELECT count(*) AS failed, bool_and(agree(h.token, h.token)) AS agree FROM held h, LATERAL tokenauth.explain(h.token) e WHERE h.kind = 'patient' AND NOT e.passed;
ROLLBACK;
-- … all its tokens revoked at once, by name
BEGIN;
SELECT tokenauth.revoke_all('user:1', reason => 'breach');
SELECT step, passed, regexp_replace(replace(reason, session_user, 'ME'), '\d+ seconds', 'N seconds') AS reason FROM tokenauth.explain(:'token') WHERE NOT passed;
SELECT bool_and(agree(h.token, h.token)) AS agree FROM held h;
ROLLBACK;
-- … dropped
BEGIN;
SELECT tokenauth.drop_principal('user:1');
SELECT step, passed, regexp_replace(replace(reason, session_user, 'ME'), '\d+ seconds', 'N seconds') AS reason FROM tokenauth.explain(:'token', '{devices:read}') WHERE NOT passed;
SELECT agree(:'token', :'token');
ROLLBACK;

-- more than one thing wrong: each is told, the first decides the verdict
SELECT tokenauth.disable(:'late_id');
SELECT step FROM tokenauth.explain(:'late_id', '{sites:read}') WHERE NOT passed;
SELECT verdict FROM tokenauth.verify(:'late', '{sites:read}');

-- an id that no token has, absent and malformed values
SELECT * FROM tokenauth.explain('00000000-0000-7000-8000-000000000000');
\echo :SQLSTATE
SELECT * FROM tokenauth.explain(NULL);
\echo :SQLSTATE
SELECT * FROM tokenauth.explain(:'token', NULL);
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.explain('x', '{"not a scope"}');
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.explain(:'token', '{NULL}');
\echo :SQLSTATE

-- it is no use of the token, and shows neither a token nor a digest
SELECT id AS fresh_id, token AS fresh FROM tokenauth.issue('key', 'user:1', networks => '{10.0.0.0/8}') \gset
SELECT count(*) FROM tokenauth.explain(:'fresh', '{sites:read}', '192.0.2.1') WHERE NOT passed;
SELECT last_used_at, request_count, denied_count FROM tokenauth.tokens WHERE id = :'fresh_id';
SELECT count(*) AS shown FROM tokenauth.explain(:'fresh', '{sites:read}') e
 WHERE strpos(e::text, substr(:'fresh', 5)) > 0 OR strpos(e::text, encode(sha256(:'fresh'::bytea), 'hex')) > 0;

-- it belongs to observe, and to nothing less
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_explain;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_explain;
SELECT tokenauth.grant_access('regress_tokenauth_explain', 'manage');
SET ROLE regress_tokenauth_explain;
SELECT count(*) FROM tokenauth.explain(:'token');
\echo :SQLSTATE
RESET ROLE;
SELECT tokenauth.grant_access('regress_tokenauth_explain', 'observe');
SET ROLE regress_tokenauth_explain;
SELECT count(*), bool_and(passed) FROM tokenauth.explain(:'token');
SELECT * FROM tokenauth.explain(:'off_id') WHERE NOT passed;
RESET ROLE;
DROP OWNED BY regress_tokenauth_explain;
DROP ROLE regress_tokenauth_explain;
