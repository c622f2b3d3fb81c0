-- A binding makes the rows of the application's own users table principals: whatever changes the row (INSERT, UPDATE,
-- DELETE, TRUNCATE, COPY, MERGE, replication) changes the principal, and its tokens die in the same transaction.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, owner_inactive)
VALUES ('mortal', 'mortal_', '{user,member}', 'revoke'), ('patient', 'patient_', '{user,member}', 'suspend');
CREATE VIEW principals AS
SELECT principal, active, permissions, data_scopes, display_name, state_reason, dropped_at IS NOT NULL AS gone
  FROM tokenauth.principal;

-- a table with rows in it is bound: they are copied
CREATE TABLE users (id integer PRIMARY KEY, name text, is_active boolean, banned boolean NOT NULL DEFAULT false,
                    roles text[] DEFAULT '{devices:read}', last_login timestamptz);
INSERT INTO users VALUES (1, 'Alice', true), (2, 'Bob', true), (3, 'Carol', false);
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'is_active AND NOT banned', permissions => 'roles',
                                 display_name => 'name');
SELECT * FROM principals ORDER BY principal;
SELECT event, after FROM tokenauth.events WHERE event LIKE 'principals.%';

-- the triggers are the binding
SELECT tgname, tgenabled, pg_get_triggerdef(oid) AS definition
  FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal ORDER BY tgname;

-- INSERT, and COPY, make principals
INSERT INTO users VALUES (4, 'Dave', true), (5, 'Eve', false);
COPY users (id, name, is_active) FROM stdin;
6	Frank	t
\.
SELECT principal, active, permissions, display_name FROM principals WHERE principal > 'user:3' ORDER BY principal;

-- UPDATE deactivates: tokens die at once, or are suspended until the user is active again
SELECT token AS mortal FROM tokenauth.issue('mortal', 'user:1') \gset
SELECT token AS patient FROM tokenauth.issue('patient', 'user:1') \gset
UPDATE users SET is_active = false WHERE id = 1;
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT kind, status, revoked_by = 'role:' || session_user AS by_me FROM tokenauth.tokens WHERE owner = 'user:1' ORDER BY kind;
UPDATE users SET is_active = true WHERE id = 1;
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT event, before -> 'active' AS before, after -> 'active' AS after
  FROM tokenauth.events WHERE owner = 'user:1' AND token_id IS NULL ORDER BY id;
-- … and narrows
UPDATE users SET roles = '{}' WHERE id = 1;
SELECT permissions FROM principals WHERE principal = 'user:1';
-- … in the transaction that does it, from the end of the statement on, and a rollback takes it back
BEGIN;
UPDATE users SET banned = true WHERE id = 1;
SELECT verdict FROM tokenauth.verify(:'patient');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'patient');
-- … and who would issue a token then is told which table says so: nobody is activated by hand there
BEGIN;
UPDATE users SET banned = true WHERE id = 1;
SELECT tokenauth.issue('patient', 'user:1');
ROLLBACK;
-- … which cannot be prepared, since tokens died in it
BEGIN;
UPDATE users SET is_active = false WHERE id = 2;
PREPARE TRANSACTION 'deactivation';
\echo :SQLSTATE
-- … as one that only changes permissions can
BEGIN;
UPDATE users SET roles = '{sites:read}' WHERE id = 2;
PREPARE TRANSACTION 'permissions';
COMMIT PREPARED 'permissions';
SELECT active, permissions FROM principals WHERE principal = 'user:2';

BEGIN;
UPDATE users SET roles = '{}' WHERE id = 3;
PREPARE TRANSACTION 'permissions';
COMMIT PREPARED 'permissions';

-- a row whose bound values did not change writes nothing and locks nothing: every login updates its user
SELECT ctid AS place, xmin AS version, xmax AS lock FROM tokenauth.principal WHERE principal = 'user:2' \gset
SELECT count(*) AS events FROM tokenauth.events \gset
UPDATE users SET last_login = now();
UPDATE users SET roles = '{sites:read,sites:read}' WHERE id = 2;
SELECT ctid = :'place' AND xmin = :'version' AND xmax = :'lock' AS untouched FROM tokenauth.principal WHERE principal = 'user:2';
SELECT count(*) - :events AS events FROM tokenauth.events;

-- many rows at once are one event, with how many they were
UPDATE users SET name = upper(name), is_active = NOT is_active WHERE id IN (4, 5, 6);
SELECT principal, active, display_name FROM principals WHERE principal > 'user:3' ORDER BY principal;
SELECT event, after FROM tokenauth.events ORDER BY id DESC LIMIT 1;

-- another id is another principal: the former is gone, and its tokens with it, also of "suspend" kinds
UPDATE users SET is_active = true;
SELECT token AS mortal FROM tokenauth.issue('mortal', 'user:4') \gset
SELECT token AS patient FROM tokenauth.issue('patient', 'user:4') \gset
UPDATE users SET id = 40 WHERE id = 4;
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT principal, active, permissions, display_name, gone FROM principals WHERE principal LIKE 'user:4%' ORDER BY principal;
-- … and coming back to it is a new beginning
UPDATE users SET id = 4 WHERE id = 40;
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT active, permissions, display_name, gone FROM principals WHERE principal = 'user:4';

-- two users who swap their ids: neither may use what was issued to the other
CREATE TABLE members (id integer PRIMARY KEY DEFERRABLE, name text);
INSERT INTO members VALUES (1, 'Alice'), (2, 'Bob');
SELECT tokenauth.bind_principals('members', 'member', 'id');
SELECT tokenauth.put_principal('member:1', '{devices:read}'), tokenauth.put_principal('member:2', '{sites:read}');
SELECT token AS alice FROM tokenauth.issue('patient', 'member:1') \gset
SELECT token AS bob FROM tokenauth.issue('patient', 'member:2') \gset
UPDATE members SET id = 3 - id;
SELECT verdict FROM tokenauth.verify(:'alice');
SELECT verdict FROM tokenauth.verify(:'bob');
SELECT principal, active, permissions, gone FROM principals WHERE principal LIKE 'member:%' ORDER BY principal;
-- … and everybody moves up
UPDATE members SET id = id + 1;
SELECT principal, active, gone FROM principals WHERE principal LIKE 'member:%' ORDER BY principal;

-- DELETE leaves a tombstone
SELECT token AS patient FROM tokenauth.issue('patient', 'user:6') \gset
DELETE FROM users WHERE id = 6;
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT active, permissions, display_name, gone FROM principals WHERE principal = 'user:6';
SELECT event, before, after FROM tokenauth.events ORDER BY id DESC LIMIT 1;
-- … and no membership, so that the same id later starts empty
SELECT tokenauth.put_principal('org:acme'), tokenauth.add_member('org:acme', 'user:5', '{devices:read}');
DELETE FROM users WHERE id = 5;
SELECT event, before -> 'memberships' AS memberships FROM tokenauth.events ORDER BY id DESC LIMIT 1;
INSERT INTO users VALUES (5, 'Eve', true), (6, 'Grace', true);
SELECT count(*) AS memberships FROM tokenauth.member;
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT verdict FROM tokenauth.issue('patient', 'user:6') i, tokenauth.verify(i.token);

-- INSERT … ON CONFLICT and MERGE
INSERT INTO users VALUES (6, 'Heidi', true), (7, 'Ivan', true)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name;
MERGE INTO users u USING (VALUES (5, NULL), (6, 'Judy'), (8, 'Ken')) AS s (id, name) ON u.id = s.id
    WHEN MATCHED AND s.name IS NULL THEN DELETE
    WHEN MATCHED THEN UPDATE SET name = s.name
    WHEN NOT MATCHED THEN INSERT (id, name, is_active) VALUES (s.id, s.name, true);
SELECT principal, display_name, gone FROM principals WHERE principal BETWEEN 'user:5' AND 'user:9' ORDER BY principal;

-- replication fires no statement triggers: the row trigger takes their place
SELECT token AS mortal FROM tokenauth.issue('mortal', 'user:8') \gset
SET session_replication_role = replica;
INSERT INTO users VALUES (9, 'Laura', true);
UPDATE users SET is_active = false WHERE id = 8;
DELETE FROM users WHERE id = 7;
RESET session_replication_role;
SELECT verdict FROM tokenauth.verify(:'mortal');
SELECT principal, active, display_name, gone FROM principals WHERE principal BETWEEN 'user:7' AND 'user:9' ORDER BY principal;

-- TRUNCATE takes everybody along, also CASCADE, also in replication
SELECT token AS patient FROM tokenauth.issue('patient', 'user:9') \gset
SELECT token AS member FROM tokenauth.issue('patient', 'member:2') \gset
TRUNCATE users;
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT count(*) FILTER (WHERE NOT gone) AS alive, count(*) > 0 AS tombstones FROM principals WHERE principal LIKE 'user:%';
CREATE TABLE offices (id integer PRIMARY KEY);
ALTER TABLE members ADD office integer REFERENCES offices;
SET session_replication_role = replica;
TRUNCATE offices CASCADE;
RESET session_replication_role;
SELECT verdict FROM tokenauth.verify(:'member');
-- … and so does a foreign key
INSERT INTO offices VALUES (1);
ALTER TABLE members DROP CONSTRAINT members_office_fkey, ADD FOREIGN KEY (office) REFERENCES offices ON DELETE CASCADE;
INSERT INTO members VALUES (10, 'Mallory', 1), (11, 'Niaj', 1);
DELETE FROM offices;
SELECT principal, active, gone FROM principals WHERE principal IN ('member:10', 'member:11') ORDER BY principal;

-- a NULL id is refused; from other expressions NULL never widens
INSERT INTO users VALUES (1, 'Alice', NULL, false, NULL);
SELECT active, permissions FROM principals WHERE principal = 'user:1';
CREATE TABLE nullable (id text, sites jsonb);
SELECT tokenauth.bind_principals('nullable', 'null', 'id', data_scopes => 'sites');
INSERT INTO nullable VALUES ('a', NULL), ('b', '{}'), ('c', '{"site": ["nyc", "lon", "nyc"]}');
SELECT principal, active, permissions, data_scopes FROM principals WHERE principal LIKE 'null:%' ORDER BY principal;
INSERT INTO nullable VALUES ('d'), (NULL);
\echo :SQLSTATE
UPDATE nullable SET id = NULL WHERE id = 'b';
\echo :SQLSTATE
INSERT INTO nullable VALUES ('');
\echo :SQLSTATE

-- what is no permission or data scope stops the statement; the error names binding and row
INSERT INTO users (id, roles) VALUES (2, '{}'), (3, '{devices:read,"devices: read"}');
\echo :SQLSTATE
UPDATE nullable SET sites = '["nyc"]' WHERE id = 'c';
\echo :SQLSTATE

-- so does an expression that fails, with its own SQLSTATE or, where PostgreSQL does not know that, 38000
CREATE FUNCTION rate(integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF $1 = 13 THEN
        RAISE EXCEPTION 'not today' USING ERRCODE = 'UE013', DETAIL = 'It is the thirteenth.', HINT = 'Wait.';
    END IF;
    RETURN 100 / $1 > 10;
END $$;
CREATE TABLE rated (id integer PRIMARY KEY);
INSERT INTO rated VALUES (5), (20);
SELECT tokenauth.bind_principals('rated', 'rated', 'id', 'public.rate(id)');
INSERT INTO rated VALUES (1), (0);
\echo :SQLSTATE
UPDATE rated SET id = 13 WHERE id = 20;
\echo :SQLSTATE
SELECT principal, active FROM principals WHERE principal LIKE 'rated:%' ORDER BY principal;

-- expressions see the row, and through the application's functions and queries other tables, all by qualified names
CREATE SCHEMA "The App";
CREATE TABLE "The App"."User's ""table""" ("User Id" text PRIMARY KEY, "select" text, status text, until timestamptz);
CREATE TABLE "The App".grants (user_id text, permission text);
INSERT INTO "The App".grants VALUES ('a''b', 'devices:*'), ('a''b', 'sites:read'), ('c\d', 'sites:read');
CREATE FUNCTION "The App".permissions_of(text) RETURNS text[] LANGUAGE sql STABLE
    RETURN (SELECT array_agg(permission) FROM "The App".grants WHERE user_id = $1);
INSERT INTO "The App"."User's ""table""" VALUES ('a''b', 'x', 'ok', NULL), ('c\d', 'y', 'it''s \over', NULL);
SET search_path = "The App";
SELECT tokenauth.bind_principals('"User''s ""table"""', 'quoted', '"User Id"',
    active => $$status <> 'it''s \over' -- a comment$$,
    permissions => '"The App".permissions_of("User''s ""table"""."User Id")',
    data_scopes => $$(SELECT pg_catalog.jsonb_build_object('site', coalesce(pg_catalog.jsonb_agg(g.permission), '[]'))
                        FROM "The App".grants g WHERE g.user_id = "User Id")$$,
    state_reason => 'CASE WHEN until < pg_catalog.now() THEN ''expired '' || until END');
RESET search_path;
SELECT * FROM principals WHERE principal LIKE 'quoted:%' ORDER BY principal;
-- … and whoever changes such a table touches the rows that depend on it
DELETE FROM "The App".grants WHERE permission = 'devices:*';
UPDATE "The App"."User's ""table""" SET "select" = 'z' WHERE "User Id" = 'a''b';
SELECT permissions FROM principals WHERE principal = 'quoted:a''b';
SELECT xmin AS version FROM tokenauth.principal WHERE principal = 'quoted:a''b' \gset
UPDATE "The App"."User's ""table""" SET "select" = 'x' WHERE "User Id" = 'a''b';
SELECT xmin = :'version' AS untouched FROM tokenauth.principal WHERE principal = 'quoted:a''b';
-- … and mean the same whatever the session has set
SET standard_conforming_strings = off;
SET transform_null_equals = on;
SET "DateStyle" = 'German';
SET "TimeZone" = 'Asia/Tokyo';
SET client_min_messages = error;
UPDATE "The App"."User's ""table""" SET until = '2020-01-02 03:04:05+00', "User Id" = 'e''f' WHERE "select" = 'y';
RESET ALL;
SELECT principal, active, state_reason, gone FROM principals WHERE principal LIKE 'quoted:%' ORDER BY principal;

-- one row stays one principal, and an expression stays one
SELECT tokenauth.bind_principals('offices', 'office', 'max(id)');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'office', 'generate_series(1, id)');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'office', 'id), (1');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'office', '1) UNION SELECT (2');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'office', 'id', 'true); DROP TABLE users; SELECT (1');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'office', '');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'office', 'nobody');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'office', 'id', permissions => 'id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'Office', 'id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals(NULL, 'office', 'id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', NULL, 'id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('offices', 'office', NULL);
\echo :SQLSTATE
INSERT INTO offices VALUES (1), (2);
SELECT tokenauth.bind_principals('offices', 'office', 'id / 10');
\echo :SQLSTATE
SELECT count(*) AS left_behind FROM pg_trigger WHERE tgrelid = 'offices'::regclass AND NOT tgisinternal;

-- one bound table for each type, and one binding for each table
SELECT tokenauth.bind_principals('offices', 'user', 'id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('users', 'office', 'id');
\echo :SQLSTATE

-- what cannot be kept in step is refused
CREATE VIEW a_view AS SELECT * FROM users;
CREATE TEMPORARY TABLE a_temporary_table (id text);
CREATE TABLE a_parent (id text);
CREATE TABLE a_child () INHERITS (a_parent);
CREATE MATERIALIZED VIEW a_materialized_view AS SELECT 1 AS id;
SELECT tokenauth.bind_principals('a_view', 'office', 'id');
\echo :SQLSTATE
\set VERBOSITY sqlstate
SELECT tokenauth.bind_principals('a_temporary_table', 'office', 'id');
\set VERBOSITY default
\echo :SQLSTATE
SELECT tokenauth.bind_principals('a_parent', 'office', 'id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('a_child', 'office', 'id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('tokenauth.principal', 'office', 'principal');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('a_materialized_view', 'office', 'id');
\echo :SQLSTATE

-- what the binding supplies is not set by hand; the rest is
SELECT tokenauth.put_principal('user:1', active => true);
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:1', '{*}');
\echo :SQLSTATE
SELECT tokenauth.deactivate('user:1');
\echo :SQLSTATE
SELECT tokenauth.activate('user:1');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:1', data_scopes => '{"site": ["nyc"]}', state_reason => 'by hand');
SELECT data_scopes, state_reason FROM principals WHERE principal = 'user:1';
INSERT INTO members VALUES (20, 'Olivia');
SELECT tokenauth.deactivate('member:20');
SELECT active FROM principals WHERE principal = 'member:20';

-- a partitioned table has row triggers, which later partitions inherit, and TRUNCATE triggers, which sync_principals gives them
CREATE TABLE parted (region text, id integer, is_active boolean DEFAULT true) PARTITION BY LIST (region);
CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
INSERT INTO parted VALUES ('eu', 1);
SELECT tokenauth.bind_principals('parted', 'parted', 'parted.id', 'is_active');
SELECT tokenauth.bind_principals('parted_eu', 'office', 'id');
\echo :SQLSTATE
CREATE TABLE parted_us (is_active boolean, id integer, region text);
ALTER TABLE parted ATTACH PARTITION parted_us FOR VALUES IN ('us');
INSERT INTO parted VALUES ('eu', 2), ('us', 3);
INSERT INTO parted_us VALUES (true, 4, 'us');
SET session_replication_role = replica;
UPDATE parted SET is_active = false WHERE id = 2;
RESET session_replication_role;
SELECT principal, active, gone FROM principals WHERE principal LIKE 'parted:%' ORDER BY principal;
SELECT tgrelid::regclass AS "table", tgname, tgenabled FROM pg_trigger
 WHERE tgrelid IN ('parted'::regclass, 'parted_eu'::regclass, 'parted_us'::regclass) ORDER BY 1, 2;
SELECT object, finding, hint FROM tokenauth.doctor() WHERE object LIKE '%parted%';
SELECT tokenauth.sync_principals('parted');
SELECT object, finding FROM tokenauth.doctor() WHERE object LIKE '%parted%';
TRUNCATE parted_us;
SELECT principal, active, gone FROM principals WHERE principal LIKE 'parted:%' ORDER BY principal;
TRUNCATE parted;
SELECT principal, active, gone FROM principals WHERE principal LIKE 'parted:%' ORDER BY principal;

-- … a row that moves to another partition is deleted there and inserted here: its principal starts anew
INSERT INTO parted VALUES ('eu', 5);
UPDATE parted SET region = 'us' WHERE id = 5;
SELECT active, gone FROM principals WHERE principal = 'parted:5';
SELECT p.epoch FROM tokenauth.principal p WHERE principal = 'parted:5';
SELECT tokenauth.unbind_principals('parted');
SELECT count(*) AS left_behind FROM pg_trigger WHERE tgname LIKE 'tokenauth%' AND tgrelid::regclass::text LIKE 'parted%';

-- sync_principals repairs what was done while no trigger looked
INSERT INTO users VALUES (2, 'Bob', true), (3, 'Carol', true);
SELECT token AS patient FROM tokenauth.issue('patient', 'user:3') \gset
ALTER TABLE users DISABLE TRIGGER USER;
UPDATE users SET is_active = false WHERE id = 2;
DELETE FROM users WHERE id = 3;
INSERT INTO users VALUES (4, 'Dave', true);
ALTER TABLE users ENABLE TRIGGER USER;
DROP TRIGGER tokenauth_principals_delete ON users;
SELECT object, finding, hint FROM tokenauth.doctor() WHERE object LIKE '%users%';
SELECT tokenauth.sync_principals('users');
SELECT principal, active, gone FROM principals WHERE principal BETWEEN 'user:1' AND 'user:4' ORDER BY principal;
SELECT verdict FROM tokenauth.verify(:'patient');
SELECT object, finding, hint FROM tokenauth.doctor() WHERE object LIKE '%users%';
SELECT tokenauth.sync_principals('users');

-- an expression that does not fit the table any more stops what would change it, and doctor() knows why
BEGIN;
ALTER TABLE users RENAME is_active TO is_enabled;
SAVEPOINT renamed;
UPDATE users SET is_enabled = false;
\echo :SQLSTATE
ROLLBACK TO renamed;
SELECT object, finding, hint FROM tokenauth.doctor() WHERE object LIKE '%users%';
ROLLBACK;

-- unbound, principals stay as they are and are set by hand
SELECT tokenauth.unbind_principals('users');
UPDATE users SET is_active = true;
SELECT principal, active FROM principals WHERE principal = 'user:2';
SELECT tokenauth.activate('user:2');
SELECT tokenauth.unbind_principals('users');
\echo :SQLSTATE
SELECT tokenauth.sync_principals('users');
\echo :SQLSTATE

-- a trigger written by hand: type, id, active, permissions; '' is absent
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'id', '', 'roles');
UPDATE users SET roles = '{by:hand}' WHERE id = 1;
SELECT active, permissions FROM principals WHERE principal = 'user:1';
SELECT tokenauth.put_principal('user:1', '{*}');
\echo :SQLSTATE
DROP TRIGGER by_hand ON users;
CREATE TRIGGER too_early BEFORE INSERT ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user', 'id');
INSERT INTO users VALUES (99);
\echo :SQLSTATE
DROP TRIGGER too_early ON users;
CREATE TRIGGER without_rows AFTER INSERT ON users
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('user', 'id');
INSERT INTO users VALUES (99);
\echo :SQLSTATE
DROP TRIGGER without_rows ON users;
CREATE TRIGGER without_id AFTER INSERT ON users
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('user');
INSERT INTO users VALUES (99);
\echo :SQLSTATE
DROP TRIGGER without_id ON users;

-- an expression runs as whoever writes the table, never with the rights of the extension's owner
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_app, regress_tokenauth_writer;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_app;
CREATE ROLE regress_tokenauth_writer;
GRANT CREATE ON SCHEMA public TO regress_tokenauth_app;
SELECT tokenauth.grant_access('regress_tokenauth_app', 'manage');
SET ROLE regress_tokenauth_app;
CREATE TABLE accounts (id text PRIMARY KEY, who text);
GRANT INSERT, SELECT, UPDATE, DELETE, TRUNCATE ON accounts TO regress_tokenauth_writer;
CREATE FUNCTION whoami() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN current_user || ' under ' || current_setting('search_path');
END $$;
INSERT INTO accounts VALUES ('a');
SELECT tokenauth.bind_principals('accounts', 'account', 'id', display_name => 'public.whoami()');
RESET ROLE;
SELECT principal, display_name FROM principals WHERE principal LIKE 'account:%' ORDER BY principal;
SET ROLE regress_tokenauth_writer;
INSERT INTO accounts VALUES ('b'), ('c');
DELETE FROM accounts WHERE id = 'c';
UPDATE accounts SET who = 'x' WHERE id = 'a';
-- … who needs no right on tokenauth, and gets none by it
SELECT tokenauth.put_principal('account:z');
\echo :SQLSTATE
SELECT tokenauth.sync_principals('accounts');
\echo :SQLSTATE
RESET ROLE;
SELECT principal, display_name, gone FROM principals WHERE principal LIKE 'account:%' ORDER BY principal;
-- … not even through the functions that the expression calls while the extension writes
CREATE OR REPLACE FUNCTION whoami() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM tokenauth.principal;
    RETURN 'done';
END $$;
SET ROLE regress_tokenauth_writer;
INSERT INTO accounts VALUES ('d');
\echo :SQLSTATE
RESET ROLE;
-- … and sync_principals by a superuser runs it as the owner of the table
CREATE OR REPLACE FUNCTION whoami() RETURNS text LANGUAGE sql RETURN current_user::text;
SELECT tokenauth.sync_principals('accounts');
SELECT DISTINCT display_name FROM principals WHERE principal LIKE 'account:%' AND NOT gone;

-- a table of somebody else cannot be bound, and without access nothing can
SET ROLE regress_tokenauth_app;
SELECT tokenauth.bind_principals('users', 'other', 'id');
\echo :SQLSTATE
SELECT tokenauth.unbind_principals('rated');
\echo :SQLSTATE
RESET ROLE;
SELECT tokenauth.revoke_access('regress_tokenauth_app', 'manage');
SET ROLE regress_tokenauth_app;
SELECT tokenauth.unbind_principals('accounts');
\echo :SQLSTATE
-- … while the triggers that are there go on
DELETE FROM accounts;
RESET ROLE;
SELECT principal, gone FROM principals WHERE principal LIKE 'account:%' ORDER BY principal;

-- policies hide no row from the copy: where they would, it is an error
CREATE TABLE secluded (id text);
INSERT INTO secluded VALUES ('hidden');
ALTER TABLE secluded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE secluded OWNER TO regress_tokenauth_app;
SELECT tokenauth.grant_access('regress_tokenauth_app', 'manage');
SET ROLE regress_tokenauth_app;
SELECT tokenauth.bind_principals('secluded', 'secluded', 'id');
\echo :SQLSTATE
RESET ROLE;

DROP TABLE accounts, secluded;
DROP FUNCTION whoami();
SELECT tokenauth.revoke_access('regress_tokenauth_app', 'verify'), tokenauth.revoke_access('regress_tokenauth_app', 'self'),
       tokenauth.revoke_access('regress_tokenauth_app', 'manage');
REVOKE ALL ON SCHEMA tokenauth, public FROM regress_tokenauth_app;
DROP OWNED BY regress_tokenauth_app, regress_tokenauth_writer;
DROP ROLE regress_tokenauth_app, regress_tokenauth_writer;
