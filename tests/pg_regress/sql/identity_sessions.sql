-- What a session keeps from one statement or transaction to the next, and that an identity is not among it: cursors, prepared
-- statements, deferred triggers, chained transactions, several statements in one message, and what poolers send to clean up.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_reader;
RESET client_min_messages;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice'), tokenauth.put_principal('user:bob');
SELECT token AS alice, id AS alice_id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT token AS bob, id AS bob_id FROM tokenauth.issue('api', 'user:bob') \gset
CREATE TABLE device (n integer, owner_id text);
INSERT INTO device VALUES (1, 'alice'), (2, 'alice'), (3, 'alice'), (4, 'bob'), (5, 'bob'), (6, 'bob');
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON device USING (owner_id = (SELECT tokenauth.current_owner_id()));
CREATE ROLE regress_tokenauth_reader;
SELECT tokenauth.grant_access('regress_tokenauth_reader', 'identity');
GRANT SELECT ON device TO regress_tokenauth_reader;

-- several statements in one message are one transaction, and the next message is another
SELECT tokenauth.authenticate(:'alice') \; SELECT tokenauth.current_owner();
SELECT tokenauth.current_owner();
-- … also where the message itself commits
BEGIN \; SELECT tokenauth.authenticate(:'alice') \; COMMIT \; SELECT tokenauth.current_owner();
SELECT tokenauth.authenticate(:'alice') \; COMMIT \; SELECT tokenauth.current_owner();
-- … and where it fails
SELECT tokenauth.authenticate(:'alice') \; SELECT 1 / 0;
SELECT tokenauth.current_owner();

-- a cursor shows the rows of whom it was first read as, and nobody else comes to read it
BEGIN;
SELECT tokenauth.authenticate(:'alice');
SET LOCAL ROLE regress_tokenauth_reader;
DECLARE mine SCROLL CURSOR FOR SELECT n FROM device;
FETCH 1 FROM mine;
RESET ROLE;
SAVEPOINT other;
SELECT tokenauth.authenticate(:'bob');
\echo :SQLSTATE
ROLLBACK TO other;
FETCH 1 FROM mine;
FETCH BACKWARD 1 FROM mine;
SELECT tokenauth.authenticate(:'bob');
\echo :SQLSTATE
ROLLBACK;
-- … where the policy asks for each row, there are no more once the identity has ended, in either direction
ALTER POLICY own ON device USING (owner_id = tokenauth.current_owner_id());
BEGIN;
SELECT tokenauth.authenticate(:'alice');
SET LOCAL ROLE regress_tokenauth_reader;
DECLARE mine SCROLL CURSOR FOR SELECT n FROM device;
FETCH 2 FROM mine;
SELECT tokenauth.sign_out();
FETCH BACKWARD 1 FROM mine;
FETCH ALL FROM mine;
COMMIT;
ALTER POLICY own ON device USING (owner_id = (SELECT tokenauth.current_owner_id()));
-- … a cursor opened before shows the rows of whom it is read as
BEGIN;
SET LOCAL ROLE regress_tokenauth_reader;
DECLARE mine CURSOR FOR SELECT n FROM device;
RESET ROLE;
SELECT tokenauth.authenticate(:'bob');
FETCH ALL FROM mine;
COMMIT;
-- … WITH HOLD keeps a copy of its rows as they were at the commit, like a temporary table: never those of the next one
BEGIN;
SELECT tokenauth.authenticate(:'alice');
SET LOCAL ROLE regress_tokenauth_reader;
DECLARE held SCROLL CURSOR WITH HOLD FOR SELECT n FROM device;
COMMIT;
BEGIN;
SELECT tokenauth.authenticate(:'bob');
FETCH ALL FROM held;
SELECT tokenauth.current_owner();
COMMIT;
CLOSE held;

-- a prepared statement is planned once and asks each time: two users, more often than it takes to settle on a generic plan
GRANT EXECUTE ON FUNCTION tokenauth.authenticate TO regress_tokenauth_reader;
CREATE FUNCTION rows_of(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE seen text;
BEGIN
    PERFORM tokenauth.authenticate(token);
    SELECT string_agg(n::text, ' ' ORDER BY n) INTO seen FROM device;
    -- So that the next call in this statement finds the transaction as this one did.
    RAISE SQLSTATE 'RB000' USING MESSAGE = seen;
EXCEPTION WHEN SQLSTATE 'RB000' THEN RETURN SQLERRM;
END
$$;
SET ROLE regress_tokenauth_reader;
SELECT rows_of(CASE round % 2 WHEN 0 THEN :'alice' ELSE :'bob' END) AS seen, round % 2 AS who, count(*)
  FROM generate_series(1, 40) round GROUP BY seen, who ORDER BY who;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION tokenauth.authenticate FROM regress_tokenauth_reader;

-- chained transactions begin with nobody
BEGIN;
SELECT tokenauth.authenticate(:'alice');
ROLLBACK AND CHAIN;
SELECT tokenauth.current_owner();
SELECT tokenauth.authenticate(:'bob');
COMMIT AND CHAIN;
SELECT tokenauth.current_owner();
ROLLBACK;
-- … and a closed one leaves the next one open
BEGIN;
SELECT tokenauth.sign_out();
COMMIT AND CHAIN;
SELECT tokenauth.authenticate(:'bob');
COMMIT;

-- a deferred trigger runs at the end of the transaction that is authenticated, before the identity ends
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'inserted by %', tokenauth.current_owner(); RETURN NULL; END $$;
CREATE TABLE job (n integer);
CREATE CONSTRAINT TRIGGER tell AFTER INSERT ON job DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell();
BEGIN;
SELECT tokenauth.authenticate(:'alice');
INSERT INTO job VALUES (1);
COMMIT;
INSERT INTO job VALUES (2);
-- … and PREPARE TRANSACTION runs it, and ends the identity
BEGIN;
SELECT tokenauth.authenticate(:'alice');
INSERT INTO job VALUES (3);
PREPARE TRANSACTION 'regress_tokenauth_sessions';
SELECT tokenauth.current_owner();
BEGIN;
SELECT tokenauth.authenticate(:'bob');
COMMIT;
COMMIT PREPARED 'regress_tokenauth_sessions';
SELECT tokenauth.current_owner();

-- what cleans up a session neither ends nor keeps an identity
BEGIN;
SELECT tokenauth.authenticate(:'alice');
RESET ALL;
DEALLOCATE ALL;
DISCARD PLANS;
DISCARD SEQUENCES;
SELECT tokenauth.current_owner();
SAVEPOINT discard;
DISCARD ALL;
\echo :SQLSTATE
ROLLBACK TO discard;
SELECT tokenauth.current_owner();
COMMIT;
SELECT tokenauth.authenticate(:'alice');
DISCARD ALL;
SELECT tokenauth.current_owner();

-- a token that has died after a valid one in the same transaction, or before: nobody is authenticated, and nobody falls back
SELECT tokenauth.disable(:'bob_id');
BEGIN;
SELECT tokenauth.authenticate(:'alice');
SELECT verdict FROM tokenauth.sign_in(:'bob');
SELECT tokenauth.current_owner();
SELECT verdict FROM tokenauth.sign_in(:'alice');
\echo :SQLSTATE
ROLLBACK;
BEGIN;
SELECT verdict FROM tokenauth.sign_in(:'bob');
SAVEPOINT again;
SELECT tokenauth.authenticate(:'alice');
\echo :SQLSTATE
ROLLBACK TO again;
SELECT tokenauth.current_owner();
ROLLBACK;
-- … the same token again, after it has died meanwhile
BEGIN;
SELECT tokenauth.authenticate(:'alice');
SELECT tokenauth.revoke(:'alice_id');
SAVEPOINT again;
SELECT tokenauth.authenticate(:'alice');
\echo :SQLSTATE
ROLLBACK TO again;
SELECT tokenauth.current_owner();
ROLLBACK;

-- what is kept for good cannot depend on who asks
ALTER TABLE device ADD COLUMN asked text GENERATED ALWAYS AS (tokenauth.current_owner()) STORED;
\echo :SQLSTATE
CREATE INDEX ON device (n) WHERE owner_id = tokenauth.current_owner_id();
\echo :SQLSTATE
CREATE TABLE part (owner text) PARTITION BY RANGE ((tokenauth.current_owner() || owner));
\echo :SQLSTATE

DROP OWNED BY regress_tokenauth_reader;
DROP ROLE regress_tokenauth_reader;
