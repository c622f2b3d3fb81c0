-- A bound table that was dropped, renamed, swapped for another or robbed of its triggers is not forgotten: doctor() names it
-- until it is unbound or bound anew, and a new binding names whom its rows no longer hold.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
CREATE VIEW findings AS SELECT object, finding, hint FROM tokenauth.doctor() WHERE area = 'binding';

CREATE TABLE users (id integer PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
INSERT INTO users SELECT generate_series(1, 3);
SELECT tokenauth.bind_principals('users', 'user', 'id', 'is_active');
SELECT * FROM tokenauth.binding;
SELECT * FROM findings;
SELECT token AS two FROM tokenauth.issue('key', 'user:2') \gset
SELECT token AS three FROM tokenauth.issue('key', 'user:3') \gset

-- dropped
BEGIN;
DROP TABLE users;
SELECT * FROM findings;
-- … and made again, without a binding
CREATE TABLE users (id integer PRIMARY KEY);
SELECT * FROM findings;
-- … until it is given up
SELECT tokenauth.unbind_principals('users');
SELECT * FROM findings;
SELECT * FROM tokenauth.binding;
ROLLBACK;
-- … by the owner of the extension where no table has that name
BEGIN;
DROP TABLE users;
DELETE FROM tokenauth.binding WHERE type = 'user';
SELECT * FROM findings;
ROLLBACK;

-- robbed of all its triggers
BEGIN;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'users'::regclass LOOP
        EXECUTE format('DROP TRIGGER %I ON users', name);
    END LOOP;
END $$;
SELECT * FROM findings;
DELETE FROM users WHERE id = 3;
-- … bound anew, it names whom no trigger saw go
SELECT tokenauth.bind_principals('users', 'user', 'id', 'is_active');
SELECT object, finding FROM findings;
SELECT verdict FROM tokenauth.verify(:'three');
SELECT tokenauth.sync_principals('users');
SELECT verdict FROM tokenauth.verify(:'three');
SELECT * FROM findings;
ROLLBACK;
-- … of all but one
BEGIN;
DROP TRIGGER tokenauth_principals_insert ON users;
DROP TRIGGER tokenauth_principals_update ON users;
DROP TRIGGER tokenauth_principals_delete ON users;
DROP TRIGGER tokenauth_principals_apply ON users;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT * FROM findings;
ROLLBACK;

-- renamed, or in another schema: it stays bound, until it is remembered by its new name
BEGIN;
ALTER TABLE users RENAME TO "the users";
UPDATE "the users" SET is_active = false WHERE id = 2;
SELECT verdict FROM tokenauth.verify(:'two');
SELECT * FROM findings;
SELECT tokenauth.sync_principals('"the users"');
SELECT * FROM findings;
CREATE SCHEMA app;
ALTER TABLE "the users" SET SCHEMA app;
SELECT * FROM findings;
SELECT tokenauth.sync_principals('app."the users"');
ALTER SCHEMA app RENAME TO "App";
SELECT * FROM findings;
SELECT tokenauth.unbind_principals('"App"."the users"');
SELECT * FROM findings;
SELECT * FROM tokenauth.binding;
ROLLBACK;

-- swapped, as tools for online schema changes do: a new table, rows copied, the old one dropped, the new one renamed
CREATE TABLE users_new (id bigint PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
INSERT INTO users_new SELECT * FROM users WHERE id < 3;
BEGIN;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
COMMIT;
-- … the old one is still there
SELECT * FROM findings;
SELECT tokenauth.bind_principals('users', 'user', 'id', 'is_active');
\echo :SQLSTATE
SELECT tokenauth.unbind_principals('users');
\echo :SQLSTATE
DROP TABLE users_old;
-- … and when it is not
SELECT * FROM findings;
UPDATE users SET is_active = false WHERE id = 2;
SELECT verdict FROM tokenauth.verify(:'two');
SELECT tokenauth.bind_principals('users', 'user', 'id', 'is_active');
SELECT verdict FROM tokenauth.verify(:'two');
SELECT verdict FROM tokenauth.verify(:'three');
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users');
SELECT verdict FROM tokenauth.verify(:'three');
SELECT * FROM findings;

-- principals that were put by hand before their table is bound are named as well, twenty of them
SELECT count(tokenauth.put_principal('guest:' || n)) FROM generate_series(1, 23) AS n;
CREATE TABLE guests (id integer PRIMARY KEY);
INSERT INTO guests VALUES (1), (2);
SELECT tokenauth.bind_principals('guests', 'guest', 'id');
SELECT tokenauth.unbind_principals('guests');

-- memberships
SELECT tokenauth.put_principal('org:1');
CREATE TABLE memberships (org_id integer, user_id integer, PRIMARY KEY (org_id, user_id));
INSERT INTO memberships VALUES (1, 1), (1, 2);
SELECT tokenauth.bind_members('memberships', $$'org:' || org_id$$, $$'user:' || user_id$$);
SELECT * FROM tokenauth.binding ORDER BY type;
BEGIN;
DROP TABLE memberships;
SELECT * FROM findings;
CREATE TABLE memberships (org_id integer, user_id integer, PRIMARY KEY (org_id, user_id));
INSERT INTO memberships VALUES (1, 1);
SELECT tokenauth.bind_members('memberships', $$'org:' || org_id$$, $$'user:' || user_id$$);
SELECT object, finding FROM findings;
SELECT tokenauth.sync_principals('memberships');
SELECT * FROM findings;
SELECT tokenauth.unbind_principals('memberships');
SELECT event FROM tokenauth.events ORDER BY id DESC LIMIT 1;
SELECT type FROM tokenauth.binding;
ROLLBACK;

-- what is remembered decides nothing: without it the binding works, and sync_principals remembers again
BEGIN;
DELETE FROM tokenauth.binding;
UPDATE users SET is_active = true WHERE id = 2;
SELECT active FROM tokenauth.principal WHERE principal = 'user:2';
SELECT * FROM findings;
SELECT tokenauth.sync_principals('users'), tokenauth.sync_principals('memberships');
SELECT * FROM findings;
ROLLBACK;
-- … however names are quoted
BEGIN;
SET LOCAL quote_all_identifiers = on;
SELECT tokenauth.sync_principals('users');
SELECT * FROM findings;
ROLLBACK;
-- … and it holds nothing that is no name of a table
INSERT INTO tokenauth.binding VALUES ('other', 'others', 'principals');
\echo :SQLSTATE
INSERT INTO tokenauth.binding VALUES ('other', 'public.others', 'memberships');
\echo :SQLSTATE

-- what depends on the extension is not dropped in silence, and with it the binding goes
\set VERBOSITY terse
DROP EXTENSION tokenauth;
\echo :SQLSTATE
\set VERBOSITY default
SET client_min_messages = warning;
DROP EXTENSION tokenauth CASCADE;
RESET client_min_messages;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal;
INSERT INTO users VALUES (9);
