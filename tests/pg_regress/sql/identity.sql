-- authenticate() gives the transaction an identity that policies ask for: private memory, which no SQL can forge and which
-- ends with the transaction. One identity for a transaction: whatever fails or tries to change it closes the transaction.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:*}', '{"site": ["nyc", "lon"]}');
SELECT tokenauth.put_principal('user:bob', '{devices:*}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice', scopes => '{devices:read}') \gset
SELECT token AS bobs FROM tokenauth.issue('api', 'user:bob') \gset
CREATE VIEW whoami AS
SELECT tokenauth.current_owner() AS owner, tokenauth.current_owner_type() AS type, tokenauth.current_owner_id() AS id, tokenauth.current_kind() AS kind,
       tokenauth.current_scopes() AS scopes, tokenauth.has_scope('devices:read') AS reads, tokenauth.has_scope('devices:write') AS writes,
       tokenauth.data_scope('site') AS site, tokenauth.data_scope('rack') AS rack, tokenauth.in_data_scope('site', 'nyc') AS nyc,
       tokenauth.in_data_scope('site', 'sfo') AS sfo;

-- nobody is authenticated: NULL and false, and of data nothing, since NULL would be everything
SELECT * FROM whoami;
SELECT tokenauth.current_token_id();

-- a transaction opens with a token
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT * FROM whoami;
SELECT tokenauth.current_token_id() = :'id';
-- … the same token again changes nothing
SELECT tokenauth.authenticate(:'token', '{devices:read}');
COMMIT;
SELECT tokenauth.current_owner();
-- … in autocommit, the next statement is another transaction
SELECT tokenauth.authenticate(:'token');
SELECT tokenauth.current_owner();

-- what is asked with nothing is granted to nobody; what is no scope is an error for everybody
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT tokenauth.has_scope(NULL), tokenauth.data_scope(NULL), tokenauth.in_data_scope('site', NULL), tokenauth.in_data_scope(NULL, 'nyc');
SELECT tokenauth.has_scope('no scope');
\echo :SQLSTATE
ROLLBACK;
SELECT tokenauth.has_scope('no scope');
\echo :SQLSTATE
-- … an owner without data scopes is unrestricted
BEGIN;
SELECT tokenauth.authenticate(:'bobs');
SELECT tokenauth.data_scope('site'), tokenauth.in_data_scope('site', 'sfo'), tokenauth.in_data_scope('site', NULL);
ROLLBACK;

-- by digest, and by the headers of a request
BEGIN;
SELECT tokenauth.authenticate_digest(left(:'token', 15), sha256(:'token'));
COMMIT;
SELECT tokenauth.authenticate_request(jsonb_build_object('Authorization', 'Bearer ' || :'token'), '{devices:read}');
SELECT tokenauth.authenticate_request(jsonb_build_object('X-Our-Key', :'token'), header => 'x-our-key');

-- a token that is not accepted: one text for every reason
SELECT tokenauth.authenticate(NULL);
\echo :SQLSTATE
SELECT tokenauth.authenticate('api_000');
\echo :SQLSTATE
SELECT tokenauth.authenticate_request('{}');
\echo :SQLSTATE
SELECT tokenauth.disable(:'id');
SELECT tokenauth.authenticate(:'token');
\echo :SQLSTATE
SELECT tokenauth.enable(:'id');
-- … but a missing scope is told
SELECT tokenauth.authenticate(:'token', '{devices:write}');
\echo :SQLSTATE
SELECT tokenauth.authenticate(:'token', NULL);
\echo :SQLSTATE

-- one identity: another token is refused, and closes the transaction
BEGIN;
SELECT tokenauth.authenticate(:'token');
SAVEPOINT other;
SELECT tokenauth.authenticate(:'bobs');
\echo :SQLSTATE
ROLLBACK TO other;
SELECT tokenauth.current_owner();
SELECT tokenauth.authenticate(:'token');
\echo :SQLSTATE
ROLLBACK;

-- a failed attempt clears the identity; no savepoint brings it back
BEGIN;
SELECT tokenauth.authenticate(:'token');
SAVEPOINT attempt;
SELECT tokenauth.authenticate('api_000');
\echo :SQLSTATE
ROLLBACK TO attempt;
SELECT tokenauth.current_owner(), tokenauth.has_scope('devices:read');
ROLLBACK;
-- … also where it fails before any token is looked at
BEGIN;
SAVEPOINT attempt;
SELECT tokenauth.authenticate(:'token', '{"no scope"}');
ROLLBACK TO attempt;
SELECT tokenauth.authenticate(:'token');
\echo :SQLSTATE
ROLLBACK;

-- an identity goes with the savepoint after which it was set, and stays when that is released
BEGIN;
SAVEPOINT one;
SELECT tokenauth.authenticate(:'token');
ROLLBACK TO one;
SELECT tokenauth.current_owner();
SELECT tokenauth.authenticate(:'bobs');
SAVEPOINT two;
RELEASE one;
SELECT tokenauth.current_owner();
COMMIT;
-- … and with an exception block
BEGIN;
SET LOCAL test.token = :'token';
DO $$ BEGIN PERFORM tokenauth.authenticate(current_setting('test.token')); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SELECT tokenauth.current_owner();
ROLLBACK;
-- … and with what the same token granted, when it was presented again, by changes that are rolled back with that
CREATE TABLE staff (id text PRIMARY KEY, permissions text[]);
INSERT INTO staff VALUES ('carol', '{devices:read}');
INSERT INTO tokenauth.kind (name, prefix, permission_mode, owner_types) VALUES ('desk', 'desk_', 'live', '{staff}');
SELECT tokenauth.bind_principals('staff', 'staff', 'id', permissions => 'permissions');
SELECT token AS carols FROM tokenauth.issue('desk', 'staff:carol') \gset
BEGIN;
SELECT tokenauth.authenticate(:'carols');
SAVEPOINT one;
UPDATE staff SET permissions = '{*}';
SAVEPOINT two;
SELECT tokenauth.authenticate(:'carols');
RELEASE two;
SELECT tokenauth.current_scopes();
ROLLBACK TO one;
SELECT tokenauth.current_owner(), tokenauth.current_scopes();
SELECT tokenauth.authenticate(:'carols', '{devices:read}');
ROLLBACK;

-- sign_in never raises for a bad token: it answers as verify does, and nobody is authenticated
BEGIN;
SELECT verdict, ok, owner FROM tokenauth.sign_in(:'token');
SELECT tokenauth.current_owner();
COMMIT;
BEGIN;
SELECT verdict, ok, owner FROM tokenauth.sign_in('api_000');
SELECT tokenauth.current_owner();
SELECT verdict FROM tokenauth.sign_in(:'token');
\echo :SQLSTATE
ROLLBACK;
BEGIN;
SELECT verdict, detail FROM tokenauth.sign_in_digest(left(:'token', 15), sha256(:'token'), '{devices:write}');
SELECT tokenauth.current_owner();
COMMIT;
BEGIN;
SELECT verdict FROM tokenauth.sign_in_request(jsonb_build_object('X-API-Key', :'token'));
SELECT tokenauth.current_owner();
COMMIT;

-- sign_out ends it, and nobody comes after
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT tokenauth.sign_out();
SELECT tokenauth.current_owner();
SELECT tokenauth.authenticate(:'token');
\echo :SQLSTATE
ROLLBACK;

-- it survives SET ROLE, and is void for another session user
CREATE ROLE regress_tokenauth_reader;
SELECT tokenauth.grant_access('regress_tokenauth_reader', 'identity');
BEGIN;
SELECT tokenauth.authenticate(:'token');
SET LOCAL ROLE regress_tokenauth_reader;
SELECT tokenauth.current_owner();
RESET ROLE;
SET LOCAL SESSION AUTHORIZATION regress_tokenauth_reader;
SELECT tokenauth.current_owner(), tokenauth.has_scope('devices:read');
ROLLBACK;

-- COMMIT AND CHAIN, and a procedure that commits, begin another transaction
BEGIN;
SELECT tokenauth.authenticate(:'token');
COMMIT AND CHAIN;
SELECT tokenauth.current_owner();
COMMIT;
CREATE PROCEDURE goes_on(token text) LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '%', tokenauth.authenticate(token);
    COMMIT;
    RAISE NOTICE '%', tokenauth.current_owner();
END $$;
CALL goes_on(:'token');
-- … and so does whatever comes after PREPARE TRANSACTION
BEGIN;
SELECT tokenauth.authenticate(:'bobs');
PREPARE TRANSACTION 'regress_tokenauth_identity';
SELECT tokenauth.current_owner();
ROLLBACK PREPARED 'regress_tokenauth_identity';

-- the plan of a query, without the words by which versions of PostgreSQL differ
CREATE FUNCTION plan(query text, options text DEFAULT 'COSTS off') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE format('EXPLAIN (%s) %s', options, query) LOOP
        CONTINUE WHEN line ~ 'Params Evaluated:';
        line := regexp_replace(line, ' \(returns \$\d+\)', '');
        line := regexp_replace(line, '\$\d+|\(InitPlan \d+\)\.col\d+', '?', 'g');
        RETURN NEXT regexp_replace(line, '(rows=\d+)\.00', '\1');
    END LOOP;
END $$;

-- row security: each sees its own; the identity is asked for once per query
CREATE TABLE device (n integer, owner_id text, site text);
INSERT INTO device VALUES (1, 'alice', 'nyc'), (2, 'alice', 'sfo'), (3, 'bob', 'nyc');
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON device USING (owner_id = (SELECT tokenauth.current_owner_id())
    AND (SELECT tokenauth.has_scope('devices:read')) AND tokenauth.in_data_scope('site', site));
GRANT SELECT ON device TO regress_tokenauth_reader;
BEGIN;
SELECT tokenauth.authenticate(:'token');
SET LOCAL ROLE regress_tokenauth_reader;
SELECT n FROM device;
COMMIT;
BEGIN;
SELECT tokenauth.authenticate(:'bobs');
SET LOCAL ROLE regress_tokenauth_reader;
SELECT n FROM device;
SELECT plan('SELECT n FROM device');
COMMIT;
SET ROLE regress_tokenauth_reader;
SELECT n FROM device;
RESET ROLE;
-- … a prepared statement serves each its own
PREPARE mine AS SELECT n, tokenauth.current_owner() FROM device WHERE owner_id = tokenauth.current_owner_id();
SET plan_cache_mode = force_generic_plan;
BEGIN;
SELECT tokenauth.authenticate(:'token');
EXECUTE mine;
COMMIT;
BEGIN;
SELECT tokenauth.authenticate(:'bobs');
EXECUTE mine;
COMMIT;
EXECUTE mine;
-- … what is kept for good cannot depend on who asks
CREATE INDEX ON device ((tokenauth.current_owner() || n));
\echo :SQLSTATE

-- in a parallel worker, where nobody knows the identity, it is an error and not NULL
CREATE FUNCTION wrongly_safe() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ BEGIN RETURN tokenauth.current_owner(); END $$;
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT name AS parallel_mode FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
SET LOCAL :parallel_mode = on;
SELECT wrongly_safe();
\echo :SQLSTATE
ROLLBACK;

DROP OWNED BY regress_tokenauth_reader;
DROP ROLE regress_tokenauth_reader;
