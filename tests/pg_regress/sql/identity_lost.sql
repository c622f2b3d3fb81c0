-- Once a transaction has had to do with an identity, it is never again the application's own: neither after the identity
-- was rolled back, nor where a role must not act without one.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_backend, regress_tokenauth_client;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_backend;
CREATE ROLE regress_tokenauth_client;
SELECT tokenauth.grant_access('regress_tokenauth_backend', 'manage'), tokenauth.grant_access('regress_tokenauth_client', 'self');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:*}'), tokenauth.put_principal('user:bob', '{devices:read}');
SELECT token AS alice, id AS alice_id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT token AS bob, id AS bob_id FROM tokenauth.issue('api', 'user:bob') \gset
SELECT set_config('test.token', :'alice', false) IS NOT NULL AS set;

-- an identity that is rolled back: nobody is authenticated, and there are no trusted calls until the transaction ends
SET ROLE regress_tokenauth_backend;
BEGIN;
SAVEPOINT before;
SELECT tokenauth.authenticate(:'alice');
ROLLBACK TO before;
SELECT tokenauth.current_owner();
SELECT tokenauth.issue('api', 'user:bob');
\echo :SQLSTATE
ROLLBACK TO before;
SELECT tokenauth.put_principal('user:carol');
\echo :SQLSTATE
ROLLBACK TO before;
SELECT tokenauth.issue('api', 'user:bob', actor => 'user:bob');
\echo :SQLSTATE
ROLLBACK TO before;
-- … but somebody can be authenticated again, another one too, and has what its token grants
SELECT tokenauth.authenticate(:'bob');
SELECT kind, owner FROM tokenauth.issue('api', 'user:bob');
COMMIT;
-- … the same where a function catches the error
BEGIN;
DO $$ BEGIN PERFORM tokenauth.authenticate(current_setting('test.token')); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SELECT tokenauth.current_owner();
SELECT tokenauth.issue('api', 'user:bob');
\echo :SQLSTATE
ROLLBACK;
-- … and the next transaction is the application's own
SELECT kind, owner FROM tokenauth.issue('api', 'user:bob');
RESET ROLE;
-- … for a superuser too
BEGIN;
SAVEPOINT before;
SELECT tokenauth.authenticate(:'alice');
ROLLBACK TO before;
SELECT tokenauth.revoke(:'bob_id');
\echo :SQLSTATE
ROLLBACK;

-- a role that acts only under identities is told so
SET ROLE regress_tokenauth_client;
SELECT tokenauth.issue('api', 'user:alice');
\echo :SQLSTATE
RESET ROLE;

-- … nor does a request without a token make the application of it
SET tokenauth.allow_anonymous = on;
SET ROLE regress_tokenauth_backend;
BEGIN;
SAVEPOINT before;
SELECT tokenauth.authenticate(:'alice');
ROLLBACK TO before;
SELECT set_config('request.headers', '{}', true);
SELECT tokenauth.pre_request();
SELECT tokenauth.put_principal('user:eve', '{*}');
\echo :SQLSTATE
ROLLBACK;
RESET ROLE;
RESET tokenauth.allow_anonymous;

-- a role that always acts for users may be held to it: a forgotten BEGIN makes no trusted call
SET ROLE regress_tokenauth_backend;
SET tokenauth.require_actor = on;
\echo :SQLSTATE
RESET ROLE;
SET tokenauth.require_actor = on;
SET ROLE regress_tokenauth_backend;
SELECT tokenauth.authenticate(:'alice');
SELECT count(*) FROM tokenauth.list();
\echo :SQLSTATE
\set VERBOSITY sqlstate
SELECT tokenauth.issue('api', 'user:alice');
SELECT tokenauth.grantable('api', 'user:alice');
SELECT tokenauth.edit(:'alice_id', name => 'x');
SELECT tokenauth.rotate(:'alice_id');
SELECT tokenauth.rotation_status(:'alice_id');
SELECT tokenauth.disable(:'alice_id');
SELECT tokenauth.enable(:'alice_id');
SELECT tokenauth.revoke(:'alice_id');
SELECT tokenauth.delete(:'alice_id');
SELECT tokenauth.reveal(:'alice_id');
SELECT tokenauth.revoke_all('user:alice');
SELECT tokenauth.import('api', 'user:alice', repeat('ab', 32), 'sha256');
\set VERBOSITY default
-- … with an actor or an identity all is as ever, and principals have no actor
SELECT count(*) FROM tokenauth.list(actor => 'user:alice');
BEGIN;
SELECT tokenauth.authenticate(:'alice');
SELECT count(*) FROM tokenauth.list();
COMMIT;
SELECT tokenauth.put_principal('user:dora');
RESET ROLE;
RESET tokenauth.require_actor;

DROP OWNED BY regress_tokenauth_backend, regress_tokenauth_client;
DROP ROLE regress_tokenauth_backend, regress_tokenauth_client;
