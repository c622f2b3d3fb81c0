-- While a publication brings beats to readers, each transaction that takes something away from a token leaves one record of
-- that, by which the next beat tells of it: no less than one, since a loss would go unnoticed, and none without a change.
-- (There is no worker here, so records stay.)
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET client_min_messages = error;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT FROM tokenauth.put_principal('user:alice', '{devices:read,devices:write}');
SELECT id AS one FROM tokenauth.issue('api', 'user:alice') \gset
SELECT id AS two FROM tokenauth.issue('api', 'user:alice') \gset
SELECT id AS three FROM tokenauth.issue('api', 'user:alice') \gset
CREATE FUNCTION told() RETURNS bigint LANGUAGE sql AS $$ WITH told AS (DELETE FROM tokenauth.change RETURNING id) SELECT count(*) FROM told $$;

-- nobody follows
SELECT tokenauth.revoke(:'one');
SELECT told();

-- somebody does
CREATE PUBLICATION regress_readers FOR TABLE tokenauth.heartbeat, tokenauth.change;
SELECT tokenauth.revoke(:'two');
SELECT told();

-- one record a transaction, whatever it does
BEGIN;
SELECT name FROM tokenauth.edit(:'three', name => 'new');
SELECT name FROM tokenauth.edit(:'three', name => 'newer');
SAVEPOINT one;
SELECT FROM tokenauth.put_principal('user:alice', '{devices:read}');
RELEASE one;
COMMIT;
SELECT told();

-- what is new takes nothing away, nor does what was taken back, or changed nothing
SELECT hint IS NOT NULL AS issued FROM tokenauth.issue('api', 'user:alice');
BEGIN;
SELECT tokenauth.revoke(:'three');
ROLLBACK;
BEGIN;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('other', 'other_');
SAVEPOINT one;
SELECT tokenauth.revoke(:'three');
ROLLBACK TO one;
COMMIT;
UPDATE tokenauth.token SET name = 'nobody' WHERE false;
SELECT told();

-- rows written by hand, TRUNCATE, and a transaction that was made read-only when it had written
UPDATE tokenauth.kind SET description = 'changed' WHERE name = 'other';
DELETE FROM tokenauth.kind WHERE name = 'other';
SELECT told();
TRUNCATE tokenauth.import;
SELECT told();
SELECT FROM tokenauth.import('api', 'user:alice', encode(sha256('old'), 'hex'), 'sha256');
SELECT told();
DELETE FROM tokenauth.import;
SELECT told();
BEGIN;
SELECT name FROM tokenauth.edit(:'three', name => 'newest');
SET TRANSACTION READ ONLY;
COMMIT;
SHOW transaction_read_only;
SELECT told();

-- transactions of one statement, and of a role that may do nothing but this
DO $$
BEGIN
    FOR number IN 1..3 LOOP
        PERFORM tokenauth.put_principal('user:alice', ARRAY['devices:' || number]);
        COMMIT;
    END LOOP;
END $$;
SELECT told();
CREATE ROLE regress_manager;
SELECT FROM tokenauth.grant_access('regress_manager', 'manage');
SET ROLE regress_manager;
SELECT tokenauth.revoke(:'three');
RESET ROLE;
SELECT told();

-- whoever is a member no more, or of less; that somebody is takes nothing away
SELECT FROM tokenauth.put_principal('org:acme');
SELECT FROM tokenauth.add_member('org:acme', 'user:alice', '{devices:*}');
SELECT told();
SELECT FROM tokenauth.add_member('org:acme', 'user:alice', '{devices:read}');
SELECT FROM tokenauth.remove_member('org:acme', 'user:alice');
SELECT told();

-- deaths of very many, of which only a row of them all is written
SELECT tokenauth.revoke_all(issued_before => now()) > 0 AS revoked;
SELECT told();
INSERT INTO tokenauth.mass_death (owner, epoch, at, by, covers) VALUES ('user:alice', 100, now(), 'by hand', 'all');
SELECT told();

-- in every isolation level
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT FROM tokenauth.deactivate('user:alice');
COMMIT;
SELECT told();

-- the extension goes with what it has changed
BEGIN;
SELECT FROM tokenauth.activate('user:alice');
DROP EXTENSION tokenauth CASCADE;
COMMIT;
SELECT count(*) FROM pg_publication_rel;
DROP PUBLICATION regress_readers;
DROP FUNCTION told;
DROP ROLE regress_manager;
