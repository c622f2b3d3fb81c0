-- Whatever else is done to a bound table: either the binding goes on, or doctor() says what does not, and sync_principals
-- mends it.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
CREATE VIEW findings AS SELECT object, finding, hint FROM tokenauth.doctor() WHERE area = 'binding';
CREATE TABLE users (id integer PRIMARY KEY, is_active boolean NOT NULL DEFAULT true, email text UNIQUE, roles text[] DEFAULT '{a}');
INSERT INTO users SELECT n, true, n || '@example.com' FROM generate_series(1, 3) AS n;
CREATE VIEW our_triggers AS
SELECT tgname AS name, tgenabled AS enabled
  FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal ORDER BY tgname;
SELECT tokenauth.bind_principals('users', 'user', 'id', 'is_active', 'roles');
SELECT * FROM our_triggers;

-- a renamed trigger goes on working, is not taken for a missing one, and is removed with the others
BEGIN;
ALTER TRIGGER tokenauth_principals_update ON users RENAME TO mine;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT * FROM our_triggers;
-- … also when its former name is taken by another
ALTER TRIGGER tokenauth_principals_insert ON users RENAME TO tokenauth_principals_update;
SELECT * FROM findings;
SELECT tokenauth.unbind_principals('users');
SELECT * FROM our_triggers;
ROLLBACK;
-- … all of them: then they are no longer told from those that somebody writes by hand
BEGIN;
ALTER TRIGGER tokenauth_principals_update ON users RENAME TO a;
ALTER TRIGGER tokenauth_principals_insert ON users RENAME TO b;
ALTER TRIGGER tokenauth_principals_delete ON users RENAME TO c;
ALTER TRIGGER tokenauth_principals_apply ON users RENAME TO d;
ALTER TRIGGER tokenauth_principals_truncate ON users RENAME TO e;
SELECT * FROM findings;
SELECT tokenauth.unbind_principals('users');
SELECT * FROM our_triggers;
SELECT * FROM findings;
ROLLBACK;

-- disabled, or enabled for other times
BEGIN;
ALTER TABLE users DISABLE TRIGGER USER;
SELECT * FROM findings;
ALTER TABLE users ENABLE TRIGGER ALL;
SELECT * FROM findings;
ALTER TABLE users DISABLE TRIGGER ALL;
SELECT count(*) FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT * FROM our_triggers;
ALTER TABLE users ENABLE REPLICA TRIGGER tokenauth_principals_update, ENABLE ALWAYS TRIGGER tokenauth_principals_delete;
SELECT object, finding FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT * FROM our_triggers;
SELECT * FROM findings;
ROLLBACK;

-- replaced: by another function, other arguments, a condition, a list of columns, another time
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
BEGIN;
CREATE OR REPLACE TRIGGER tokenauth_principals_insert AFTER INSERT ON users
    REFERENCING NEW TABLE AS tokenauth_new FOR EACH STATEMENT EXECUTE FUNCTION nothing();
CREATE OR REPLACE TRIGGER tokenauth_principals_update AFTER UPDATE ON users
    REFERENCING OLD TABLE AS tokenauth_old NEW TABLE AS tokenauth_new FOR EACH STATEMENT
    EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'true', 'roles', '', '', '');
CREATE OR REPLACE TRIGGER tokenauth_principals_delete AFTER DELETE ON users
    REFERENCING OLD TABLE AS tokenauth_old FOR EACH STATEMENT WHEN (false)
    EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active', 'roles', '', '', '');
CREATE OR REPLACE TRIGGER tokenauth_principals_apply AFTER INSERT OR DELETE OR UPDATE OF email ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active', 'roles', '', '', '');
DROP TRIGGER tokenauth_principals_truncate ON users;
CREATE TRIGGER tokenauth_principals_truncate BEFORE TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active', 'roles', '', '', '');
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT * FROM findings;
SELECT * FROM our_triggers;
ROLLBACK;
-- … and one beside them
BEGIN;
CREATE CONSTRAINT TRIGGER later AFTER INSERT OR DELETE OR UPDATE ON users DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', 'is_active', 'roles', '', '', '');
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT * FROM our_triggers;
ROLLBACK;
-- … which on another table would be another source
BEGIN;
CREATE TABLE others (id integer PRIMARY KEY);
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON others FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'id');
CREATE TRIGGER by_hand_too AFTER TRUNCATE ON others FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('user', 'id');
SELECT * FROM findings;
-- … of which one is given up without the other
SAVEPOINT two;
SELECT tokenauth.unbind_principals('others');
SELECT * FROM findings;
ROLLBACK TO two;
SELECT tokenauth.unbind_principals('users');
SELECT * FROM findings;
SELECT * FROM tokenauth.binding;
ROLLBACK;

-- columns: a change of what an expression reads is drift that no trigger sees, or stops writes with an error
BEGIN;
ALTER TABLE users ALTER is_active DROP DEFAULT, ALTER is_active TYPE boolean USING id <> 3;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT active FROM tokenauth.principal WHERE principal = 'user:3';
SELECT * FROM findings;
ALTER TABLE users ALTER id TYPE text;
UPDATE users SET id = 'four' WHERE id = '3';
SELECT * FROM findings;
ALTER TABLE users DROP roles;
SELECT * FROM findings;
SAVEPOINT dropped;
UPDATE users SET email = NULL;
\echo :SQLSTATE
ROLLBACK TO dropped;
ROLLBACK;
BEGIN;
ALTER TABLE users ALTER is_active DROP DEFAULT, ALTER is_active TYPE integer USING is_active::integer;
SELECT * FROM findings;
UPDATE users SET is_active = 0 WHERE id = 1;
SELECT active FROM tokenauth.principal WHERE principal = 'user:1';
ROLLBACK;

-- what changes nothing about it
BEGIN;
CREATE TYPE person AS (id integer, is_active boolean, email text, roles text[]);
ALTER TABLE users OF person;
ALTER TABLE users NOT OF;
ALTER TABLE users REPLICA IDENTITY FULL, ADD note text DEFAULT 'x', SET (fillfactor = 50), ENABLE ROW LEVEL SECURITY;
ALTER TABLE users SET TABLESPACE pg_default;
CLUSTER users USING users_pkey;
UPDATE users SET is_active = false WHERE id = 1;
SELECT active FROM tokenauth.principal WHERE principal = 'user:1';
SELECT * FROM findings;
ROLLBACK;
-- … while a rule that turns its writes into others decides what there is to see
BEGIN;
CREATE RULE soft AS ON DELETE TO users DO INSTEAD UPDATE users SET is_active = false WHERE id = OLD.id;
DELETE FROM users WHERE id = 1;
SELECT active, dropped_at FROM tokenauth.principal WHERE principal = 'user:1';
SELECT * FROM findings;
ROLLBACK;
