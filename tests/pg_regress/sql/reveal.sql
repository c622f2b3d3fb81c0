-- A kind with `reveal` keeps token texts, sealed under a key of the file that tokenauth.key_file names, so that reveal()
-- can show them again. Without a key nothing of that kind is issued: a server of this test has none (tests/cluster has).
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SELECT tokenauth.put_principal('user:1', '{devices:read}');
INSERT INTO tokenauth.kind (name, prefix, reveal, owner_inactive) VALUES ('shown', 'shown_', true, 'suspend');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('once', 'once_');

-- there is no key file by default, and only its administrator may say which is to be used
SHOW tokenauth.key_file;
SET tokenauth.key_file = '/tmp/keys';
\echo :SQLSTATE
CREATE ROLE regress_tokenauth_visitor;
SET ROLE regress_tokenauth_visitor;
\set VERBOSITY sqlstate
SHOW tokenauth.key_file;
\set VERBOSITY default
RESET ROLE;
DROP ROLE regress_tokenauth_visitor;

-- no token that could not be revealed is issued
SELECT tokenauth.issue('shown', 'user:1');
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.tokens;

-- of other kinds texts are not kept
CREATE TABLE held AS SELECT token, id FROM tokenauth.issue('once', 'user:1');
SELECT tokenauth.reveal(id) FROM held;
\echo :SQLSTATE
SELECT sealed IS NULL AND seal IS NULL AS nothing_kept FROM tokenauth.token;

-- what reveal() answers, ids left out
CREATE FUNCTION shown_or_refused(id uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN tokenauth.reveal(id);
EXCEPTION WHEN OTHERS THEN
    RETURN format('%s %s', SQLSTATE, regexp_replace(SQLERRM, '"[0-9a-f-]{36}"', '"…"'));
END $$;

-- a kind may begin to keep texts; those of before are not there
UPDATE tokenauth.kind SET reveal = true WHERE name = 'once';
SELECT shown_or_refused(id) FROM held;

-- an imported token has no text here
CREATE TABLE imported AS SELECT tokenauth.import('shown', 'user:1', repeat('a', 64), 'sha256') AS id;
SELECT shown_or_refused(id) FROM imported;

-- only a token that works can be revealed
SELECT tokenauth.disable(id) FROM imported;
SELECT shown_or_refused(id) AS "disabled" FROM imported;
SELECT tokenauth.enable(id) FROM imported;
SELECT count(tokenauth.edit(id, expires_at => clock_timestamp() + interval '200 ms')) FROM imported;
SELECT pg_sleep(0.25);
SELECT shown_or_refused(id) AS "expired" FROM imported;
UPDATE tokenauth.token SET expires_at = NULL, not_before = '9999-01-01' WHERE id = (SELECT id FROM imported);
SELECT shown_or_refused(id) AS "not yet valid" FROM imported;
UPDATE tokenauth.token SET not_before = NULL WHERE id = (SELECT id FROM imported);
SELECT tokenauth.deactivate('user:1');
SELECT shown_or_refused(id) AS "owner inactive" FROM imported;
SELECT tokenauth.activate('user:1');
SELECT shown_or_refused(id) AS "owner active again" FROM imported;
SELECT tokenauth.revoke(id) FROM imported;
SELECT shown_or_refused(id) AS "revoked" FROM imported;
SELECT tokenauth.delete(id) FROM imported;
SELECT shown_or_refused(id) AS "deleted" FROM imported;
SELECT tokenauth.reveal('00000000-0000-7000-8000-000000000000');
\echo :SQLSTATE
SELECT tokenauth.reveal(NULL);
\echo :SQLSTATE
SELECT tokenauth.reveal('00000000-0000-7000-8000-000000000000', actor => NULL);
\echo :SQLSTATE

-- nothing was revealed, so nothing is recorded
SELECT count(*) FROM tokenauth.events WHERE event = 'token.revealed';

-- texts are sealed anew with the newest key, if there is one
SELECT tokenauth.reseal();
\echo :SQLSTATE
SELECT tokenauth.reseal(0);
\echo :SQLSTATE
SELECT tokenauth.reseal(NULL);
\echo :SQLSTATE
