-- revoke() and delete() kill one token for good, from the next call on; revoke_presented() kills the one that is presented.
-- They say whether it was alive; nothing that is dead comes back, and a rolled-back death never happened.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('patient', 'patient_', 'suspend');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');

-- a token is revoked once
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.revoke(:'id', 'laptop was stolen');
SELECT verdict, http_status, owner, scopes FROM tokenauth.verify(:'token');
SELECT tokenauth.revoke(:'id', 'again');
SELECT status, revoked_at IS NOT NULL AS has_died, revoked_by = 'role:' || session_user AS by_me, revoke_reason FROM tokenauth.tokens WHERE id = :'id';
SELECT event, after FROM tokenauth.events WHERE token_id = :'id' AND event <> 'token.issued';

-- alive is what is neither revoked nor expired: a disabled, a suspended, a not yet valid token is, and dies
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.disable(:'id');
SELECT tokenauth.revoke(:'id') AS disabled;
\set VERBOSITY sqlstate
SELECT tokenauth.enable(:'id');
\set VERBOSITY default
SELECT token, id FROM tokenauth.issue('patient', 'user:alice') \gset
SELECT tokenauth.deactivate('user:alice');
SELECT tokenauth.revoke(:'id') AS suspended;
SELECT tokenauth.activate('user:alice');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT token, id FROM tokenauth.issue('api', 'user:alice', not_before => now() + '1 day') \gset
SELECT tokenauth.revoke(:'id') AS not_yet_valid;

-- an expired token was not alive, and is dead for good all the same
INSERT INTO tokenauth.kind (name, prefix, expired_editable) VALUES ('editable', 'ed_', true);
SELECT token, id FROM tokenauth.issue('editable', 'user:alice', expires_in => '1 millisecond') \gset
SELECT pg_sleep(0.01);
SELECT tokenauth.revoke(:'id') AS expired;
SELECT verdict FROM tokenauth.verify(:'token');
\set VERBOSITY sqlstate
SELECT tokenauth.edit(:'id', expires_in => '1 day');
\set VERBOSITY default

-- nor was one that died with others; it keeps its first death
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke_all('user:alice', reason => 'breach');
SELECT tokenauth.revoke(:'id', 'late') AS died_with_others;
SELECT revoke_reason FROM tokenauth.tokens WHERE id = :'id';
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.deactivate('user:alice', 'left');
SELECT tokenauth.revoke(:'id', 'late') AS owner_deactivated;
SELECT revoke_reason FROM tokenauth.tokens WHERE id = :'id';
SELECT tokenauth.activate('user:alice');

-- no token, no id, no actor
SELECT tokenauth.revoke('00000000-0000-0000-0000-000000000000');
\echo :SQLSTATE
SELECT tokenauth.revoke(NULL);
\echo :SQLSTATE
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke(:'id', actor => NULL);
\echo :SQLSTATE
SELECT tokenauth.revoke(:'id', actor => 'user:bob');
\echo :SQLSTATE
SELECT tokenauth.revoke(:'id', repeat('r', 8193));
\echo :SQLSTATE
-- … and what was refused has killed nothing
SELECT verdict FROM tokenauth.verify(:'token');

-- rolled back, whole or to a savepoint or by a caught error, a revocation never happened
BEGIN;
SELECT tokenauth.revoke(:'id');
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'token');
BEGIN;
SAVEPOINT a;
SELECT tokenauth.revoke(:'id');
SAVEPOINT b;
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK TO a;
SELECT verdict FROM tokenauth.verify(:'token');
COMMIT;
SELECT verdict FROM tokenauth.verify(:'token');
CREATE TABLE presented AS SELECT :'token' AS token, :'id'::uuid AS id;
DO $$
DECLARE
    held presented;
BEGIN
    SELECT * INTO held FROM presented;
    BEGIN
        PERFORM tokenauth.revoke(held.id);
        RAISE NOTICE 'inside: %', (tokenauth.verify(held.token)).verdict;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        RAISE NOTICE 'after: %', (tokenauth.verify(held.token)).verdict;
    END;
END
$$;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT count(*) FROM tokenauth.events WHERE token_id = :'id' AND event = 'token.revoked';

-- released savepoints keep it
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT verdict FROM tokenauth.verify(:'token');
SAVEPOINT a;
SELECT tokenauth.revoke(:'id');
RELEASE a;
SELECT verdict FROM tokenauth.verify(:'token');
COMMIT;
SELECT verdict FROM tokenauth.verify(:'token');

-- delete takes it off every list as well; its events stay
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.delete(:'id');
SELECT verdict, token_id = :'id' AS id FROM tokenauth.verify(:'token');
SELECT count(*) FROM tokenauth.tokens WHERE id = :'id';
SELECT count(*) FROM tokenauth.list() WHERE id = :'id';
SELECT event FROM tokenauth.events WHERE token_id = :'id' ORDER BY events.id;
SELECT tokenauth.delete(:'id');
SELECT tokenauth.delete('00000000-0000-0000-0000-000000000000');
\echo :SQLSTATE
SELECT tokenauth.delete(NULL);
\echo :SQLSTATE
SELECT tokenauth.delete(:'id', NULL);
\echo :SQLSTATE
-- … revoked ones too
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke(:'id');
SELECT tokenauth.delete(:'id');
SELECT tokenauth.delete(:'id');
-- … and one that is deleted was dead before: revoking it changes nothing
SELECT tokenauth.revoke(:'id');
SELECT verdict FROM tokenauth.verify(:'token');

-- revoke_presented: whoever holds a token can end it (RFC 7009), and learns nothing about any other text
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke_presented(:'token', 'logged out');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT revoke_reason FROM tokenauth.tokens WHERE id = :'id';
SELECT tokenauth.revoke_presented(:'token');
SELECT tokenauth.revoke_presented('no token');
SELECT tokenauth.revoke_presented('');
SELECT tokenauth.revoke_presented(repeat('x', 1000000));
SELECT tokenauth.revoke_presented(NULL);
\echo :SQLSTATE
SELECT tokenauth.revoke_presented('no token', repeat('r', 8193));
\echo :SQLSTATE
-- … a text that differs in its secret alone kills nothing, even with a checksum of its own
BEGIN;
SELECT token AS never FROM tokenauth.issue('api', 'user:alice') \gset
ROLLBACK;
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT tokenauth.revoke_presented(:'never');
SELECT verdict FROM tokenauth.verify(:'token');
-- … a suspended or disabled token can be ended so too
SELECT tokenauth.disable(:'id');
SELECT tokenauth.revoke_presented(:'token');
SELECT verdict FROM tokenauth.verify(:'token');

-- a read-only transaction cannot revoke, and says so
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
BEGIN READ ONLY;
SELECT tokenauth.revoke(:'id');
\echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT tokenauth.revoke_presented(:'token');
\echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT tokenauth.revoke_all('user:alice');
\echo :SQLSTATE
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'token');

-- a transaction that revoked cannot be prepared: its death would wait for somebody's COMMIT PREPARED
BEGIN;
SELECT tokenauth.revoke(:'id');
PREPARE TRANSACTION 'revoked';
\echo :SQLSTATE
BEGIN;
SAVEPOINT a;
SELECT tokenauth.disable(:'id');
RELEASE a;
PREPARE TRANSACTION 'disabled';
\echo :SQLSTATE
BEGIN;
SELECT tokenauth.put_principal('user:alice', active => false);
PREPARE TRANSACTION 'deactivated';
\echo :SQLSTATE
SELECT verdict FROM tokenauth.verify(:'token');
