-- Every change of a kind, a principal or a token leaves an event in the transaction that made it: who, what, before and after.
-- No event holds a secret, a digest or a token text; none can be changed or removed, not by a superuser either.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)

-- the life of a kind, a principal and a token; times in history are UTC, whatever the session's zone
SET TimeZone = 'Asia/Kathmandu';
INSERT INTO tokenauth.kind (name, prefix, expired_editable) VALUES ('api', 'api_', true);
UPDATE tokenauth.kind SET description = 'Programs' WHERE name = 'api';
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.put_principal('user:alice', '{devices:*}', display_name => 'Alice');
SELECT token, id FROM tokenauth.issue('api', 'user:alice', 'laptop', 'mine', '{devices:read}', expires_at => '2099-01-01 00:00Z', metadata => '{"a": 1}', networks => '{10.0.0.0/8}') \gset
SELECT name FROM tokenauth.edit(:'id', name => 'desktop', scopes => '{devices:write}', expires_at => 'infinity');
SELECT tokenauth.disable(:'id'), tokenauth.enable(:'id');
SELECT tokenauth.revoke(:'id', 'lost');
SELECT tokenauth.delete(:'id');
SELECT token AS presented, id AS presented_id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke_presented(:'presented', 'logged out');
SELECT tokenauth.revoke_all('user:alice', reason => 'breach');
SELECT tokenauth.deactivate('user:alice', 'left');
SELECT tokenauth.activate('user:alice');
SELECT tokenauth.drop_principal('user:alice');
SELECT tokenauth.put_principal('user:alice');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('short lived', 'sl_');
DELETE FROM tokenauth.kind WHERE name = 'short lived';
SELECT event, kind, owner, token_id IS NOT NULL AS token,
       CASE WHEN event NOT LIKE 'kind.%' THEN before - '{hint,expires_at}'::text[] END AS before,
       CASE WHEN event NOT LIKE 'kind.%' THEN after - '{hint,expires_at}'::text[] END AS after
  FROM tokenauth.events ORDER BY id;
SELECT event, before ->> 'expires_at' AS before, after ->> 'expires_at' AS after
  FROM tokenauth.events WHERE before ? 'expires_at' OR after ? 'expires_at' ORDER BY id;
RESET TimeZone;
SELECT before ->> 'description' AS before, after ->> 'description' AS after FROM tokenauth.events WHERE event = 'kind.changed';

-- who and when
SELECT DISTINCT actor, role = session_user AS by_me, client, at BETWEEN now() - '1 minute'::interval AND clock_timestamp() AS just_now FROM tokenauth.events;
-- ids are in the order of time
SELECT count(*) AS out_of_order FROM (SELECT at, lag(at) OVER (ORDER BY id) AS previous FROM tokenauth.events) e WHERE at < previous;

-- what a transaction does belongs to the request whose token it has verified last
SELECT token AS requester FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
BEGIN;
SELECT correlation_id AS refused FROM tokenauth.verify('nothing') \gset
SELECT correlation_id AS accepted FROM tokenauth.verify(:'requester') \gset
SELECT id AS made FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke(:'made');
UPDATE tokenauth.kind SET description = 'For programs' WHERE name = 'api';
SELECT tokenauth.put_principal('org:acme');
SELECT tokenauth.add_member('org:acme', 'user:alice');
SELECT tokenauth.revoke_all('org:acme');
COMMIT;
SELECT tokenauth.remove_member('org:acme', 'user:alice');
SELECT event, CASE correlation_id WHEN :'accepted' THEN 'accepted' WHEN :'refused' THEN 'refused' END AS request
  FROM tokenauth.events WHERE correlation_id IS NOT NULL OR event = 'member.removed' ORDER BY id;
-- … or authenticated by it, in whatever form
CREATE FUNCTION pg_temp.traced(call text) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE 'SELECT tokenauth.' || call;
        PERFORM tokenauth.edit(tokenauth.current_token_id(), name => md5(call));
        RETURN (SELECT correlation_id FROM tokenauth.events ORDER BY id DESC LIMIT 1);
    END $$;
CREATE TEMPORARY TABLE form AS
    SELECT verb || suffix AS form,
           verb || suffix || format('(%s)', CASE suffix WHEN '' THEN quote_literal(:'requester')
                                                        WHEN '_digest' THEN format('%L, sha256(%L)', left(:'requester', 15), :'requester')
                                                        ELSE quote_literal(jsonb_build_object('x-api-key', :'requester')) END) AS call
      FROM unnest('{authenticate,sign_in}'::text[]) verb, unnest('{"",_digest,_request}'::text[]) suffix
     UNION ALL SELECT 'pre_request', 'pre_request()';
BEGIN;
SELECT set_config('request.headers', jsonb_build_object('x-api-key', :'requester')::text, true) IS NOT NULL AS headers;
SELECT count(*) AS forms, count(DISTINCT traced) AS requests FROM (SELECT pg_temp.traced(call) AS traced FROM form OFFSET 0) t;
ROLLBACK;
-- … and that of another transaction is another one
BEGIN;
SELECT verdict FROM tokenauth.verify(:'requester');
ROLLBACK;
SELECT tokenauth.drop_principal('org:acme');
SELECT event, correlation_id FROM tokenauth.events ORDER BY id DESC LIMIT 1;

-- the role whose access was used, and beside it the one that logged in, where that is another
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_clerk;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_clerk;
SELECT tokenauth.grant_access('regress_tokenauth_clerk', 'manage');
SET ROLE regress_tokenauth_clerk;
SELECT tokenauth.put_principal('user:dora');
RESET ROLE;
SELECT role, session_role = session_user AS logged_in FROM tokenauth.events WHERE owner = 'user:dora';
SET SESSION AUTHORIZATION regress_tokenauth_clerk;
SELECT tokenauth.put_principal('user:emil');
RESET SESSION AUTHORIZATION;
SELECT role, session_role FROM tokenauth.events WHERE owner = 'user:emil';

-- no secret, digest or text in any of them
SELECT count(*) FROM tokenauth.event e, (VALUES (:'token'), (:'presented')) t (token)
 WHERE e::text LIKE '%' || substr(token, 13, 8) || '%' OR e::text LIKE '%' || encode(sha256(token::bytea), 'hex') || '%';

-- what is refused or changes nothing leaves no event; what is rolled back neither
SELECT count(*) AS before FROM tokenauth.events \gset
\set VERBOSITY sqlstate
SELECT tokenauth.issue('api', 'user:nobody');
SELECT tokenauth.put_principal('user:alice', '{a b}');
\set VERBOSITY default
SELECT tokenauth.put_principal('user:alice');
SELECT tokenauth.revoke(:'id'), tokenauth.delete(:'id'), tokenauth.activate('user:alice');
SELECT verdict FROM tokenauth.verify(:'token');
BEGIN;
SELECT tokenauth.deactivate('user:alice');
ROLLBACK;
SELECT count(*) - :before AS events FROM tokenauth.events;

-- a mass change of kinds is one event for each kind, which carries the whole row but when it was made
UPDATE tokenauth.kind SET description = 'x';
SELECT after FROM tokenauth.events WHERE event = 'kind.changed' ORDER BY id DESC LIMIT 1;

-- a kind that comes from a dump (made before this transaction) has its event in the dump
INSERT INTO tokenauth.kind (name, prefix, created_at) VALUES ('restored', 'restored_', '2020-01-01');
SELECT count(*) FROM tokenauth.events WHERE kind = 'restored';

-- history is append-only
UPDATE tokenauth.event SET role = 'somebody else';
\echo :SQLSTATE
DELETE FROM tokenauth.event;
\echo :SQLSTATE
DELETE FROM tokenauth.event WHERE false;
\echo :SQLSTATE
TRUNCATE tokenauth.event;
\echo :SQLSTATE
UPDATE tokenauth.events SET role = 'somebody else';
\echo :SQLSTATE
DELETE FROM tokenauth.events;
\echo :SQLSTATE
-- … also where ordinary triggers do not fire
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM tokenauth.event;
\echo :SQLSTATE
ROLLBACK;
SELECT count(*) > 15 AS all_there FROM tokenauth.events;

DROP OWNED BY regress_tokenauth_clerk;
DROP ROLE regress_tokenauth_clerk;
