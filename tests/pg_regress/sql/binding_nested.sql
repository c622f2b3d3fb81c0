-- What a bound row says at the end of a statement wins, also where the application's own triggers and functions write
-- the bound table once more while the statement is under way: the rows that a trigger is given are then out of date.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, owner_inactive) VALUES ('key', 'key_', '{user,part,hand}', 'suspend');
-- doctor() compares every bound row with its principal; there must never be a difference
CREATE VIEW drift AS
SELECT object, finding FROM tokenauth.doctor() WHERE finding ~ 'rows that|without a row|compared';
CREATE VIEW principals AS
SELECT principal, active, permissions FROM tokenauth.principal WHERE dropped_at IS NULL;

CREATE TABLE users (id integer PRIMARY KEY, name text, is_active boolean DEFAULT true, roles text[] DEFAULT '{devices:read}');
INSERT INTO users VALUES (1, 'Alice'), (2, 'Bob'), (3, 'Carol');
SELECT tokenauth.bind_principals('users', 'user', 'id::text', active => 'is_active', permissions => 'roles');
SELECT token AS alice FROM tokenauth.issue('key', 'user:1') \gset

-- a row trigger that bans: it runs before the trigger of the binding, which is given the row from before the ban
CREATE FUNCTION ban() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET is_active = false, roles = '{}' WHERE id = NEW.id AND is_active AND NEW.name LIKE 'bad%';
    RETURN NULL;
END $$;
CREATE TRIGGER ban AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION ban();
UPDATE users SET name = 'bad Alice' WHERE id = 1;
SELECT verdict FROM tokenauth.verify(:'alice');
SELECT verdict FROM tokenauth.issue('key', 'user:1') i, tokenauth.verify(i.token);
\echo :SQLSTATE
SELECT * FROM principals WHERE principal = 'user:1';
INSERT INTO users VALUES (4, 'bad Dave'), (5, 'Eve');
SELECT * FROM principals WHERE principal > 'user:3' ORDER BY principal;
INSERT INTO users VALUES (5, 'bad Eve'), (6, 'bad Frank') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
MERGE INTO users u USING (VALUES (2, 'bad Bob'), (3, NULL), (7, 'bad Grace'), (8, 'Heidi')) AS s (id, name) ON u.id = s.id
    WHEN MATCHED AND s.name IS NULL THEN DELETE
    WHEN MATCHED THEN UPDATE SET name = s.name
    WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name);
COPY users (id, name) FROM stdin;
9	bad Ivan
10	Judy
\.
SELECT * FROM principals ORDER BY principal COLLATE "C";
SELECT * FROM drift;
-- … in a block whose work is undone, so that the row stays as it was
CREATE OR REPLACE FUNCTION ban() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET is_active = false WHERE id = NEW.id AND is_active;
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
    RETURN NULL;
END $$;
UPDATE users SET roles = '{sites:read}' WHERE id = 8;
SELECT * FROM principals WHERE principal = 'user:8';
SELECT * FROM drift;
DROP TRIGGER ban ON users;

-- a statement trigger, of which only one user may stay active
TRUNCATE users;
INSERT INTO users VALUES (1, 'Alice', true), (2, 'Bob', false), (3, 'Carol', false);
CREATE FUNCTION only_the_newest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET is_active = false WHERE is_active AND id < (SELECT max(id) FROM users WHERE is_active);
    RETURN NULL;
END $$;
CREATE TRIGGER first_of_all AFTER INSERT OR UPDATE ON users FOR EACH STATEMENT
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION only_the_newest();
UPDATE users SET is_active = true;
SELECT * FROM principals ORDER BY principal;
INSERT INTO users VALUES (4, 'Dave'), (5, 'Eve');
SELECT * FROM principals ORDER BY principal;
SELECT * FROM drift;
DROP TRIGGER first_of_all ON users;

-- a trigger that deletes what is inserted or copied, inserts what is deleted, and changes ids
TRUNCATE users;
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO users VALUES (OLD.id, 'kept ' || OLD.name, OLD.is_active, '{}');
    ELSIF NEW.name = 'fleeting' THEN
        DELETE FROM users WHERE id = NEW.id;
    ELSIF NEW.name = 'elsewhere' AND NEW.id < 100 THEN
        UPDATE users SET id = id + 100 WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER meddle AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION meddle();
INSERT INTO users VALUES (1, 'Alice'), (2, 'fleeting'), (3, 'elsewhere');
COPY users (id, name) FROM stdin;
4	fleeting
5	elsewhere
6	Frank
\.
SELECT * FROM principals ORDER BY principal COLLATE "C";
UPDATE users SET name = CASE id WHEN 1 THEN 'fleeting' WHEN 6 THEN 'elsewhere' END WHERE id IN (1, 6);
SELECT * FROM principals ORDER BY principal COLLATE "C";
SELECT token FROM tokenauth.issue('key', 'user:103') \gset
DELETE FROM users WHERE id IN (103, 105);
SELECT * FROM principals ORDER BY principal COLLATE "C";
-- … where the id has been gone in between, and its tokens with it
SELECT verdict FROM tokenauth.verify(:'token');
SELECT * FROM drift;
DROP TRIGGER meddle ON users;

-- a function in RETURNING that updates the row
TRUNCATE users;
INSERT INTO users VALUES (1, 'Alice'), (2, 'Bob'), (3, 'Carol');
CREATE FUNCTION deactivate(integer) RETURNS boolean LANGUAGE sql
AS 'UPDATE users SET is_active = false, roles = ''{}'' WHERE id = $1 RETURNING is_active';
UPDATE users SET name = upper(name) WHERE id < 3 RETURNING id, deactivate(id);
INSERT INTO users VALUES (4, 'Dave') RETURNING id, deactivate(id);
SELECT * FROM principals ORDER BY principal;
SELECT * FROM drift;

-- a statement that changes rows in several ways at once
ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
WITH gone AS (DELETE FROM users WHERE id IN (1, 2)) INSERT INTO users VALUES (1, 'Alice', true, '{sites:read}');
SELECT * FROM drift;
WITH moved AS (UPDATE users SET id = 30, is_active = true WHERE id = 3)
UPDATE users SET id = 3, is_active = true, roles = '{sites:write}' WHERE id = 4;
SELECT * FROM drift;
SELECT * FROM principals ORDER BY principal COLLATE "C";
WITH new AS (INSERT INTO users VALUES (4, 'Dave', true, '{sites:read}') RETURNING id),
     moved AS (UPDATE users SET id = 31 WHERE id = 30)
DELETE FROM users WHERE id IN (1, 3);
SELECT * FROM principals ORDER BY principal COLLATE "C";
SELECT * FROM drift;

-- triggers of another table that write back, at once and at COMMIT
TRUNCATE users;
INSERT INTO users VALUES (1, 'Alice'), (2, 'Bob');
CREATE TABLE payments (user_id integer, overdue boolean);
CREATE FUNCTION pay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        INSERT INTO payments VALUES (NEW.id, NEW.name = 'debtor');
    ELSIF NEW.overdue THEN
        UPDATE users SET is_active = false, roles = '{}' WHERE id = NEW.user_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER pay AFTER UPDATE OF name ON users FOR EACH ROW EXECUTE FUNCTION pay();
CREATE TRIGGER pay AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION pay();
UPDATE users SET name = 'debtor' WHERE id = 1;
SELECT * FROM principals ORDER BY principal;
DROP TRIGGER pay ON payments;
CREATE CONSTRAINT TRIGGER pay AFTER INSERT ON payments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION pay();
BEGIN;
UPDATE users SET name = 'debtor' WHERE id = 2;
UPDATE users SET roles = '{sites:read}' WHERE id = 2;
SELECT * FROM principals WHERE principal = 'user:2';
COMMIT;
SELECT * FROM principals WHERE principal = 'user:2';
SELECT * FROM drift;
DROP TABLE payments CASCADE;
DROP TRIGGER pay ON users;

-- replication: there row triggers take the place of statement triggers
TRUNCATE users;
INSERT INTO users VALUES (1, 'Alice'), (2, 'Bob');
CREATE OR REPLACE FUNCTION ban() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET is_active = false, roles = '{}' WHERE id = NEW.id AND is_active;
    RETURN NULL;
END $$;
CREATE TRIGGER ban AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION ban();
ALTER TABLE users ENABLE ALWAYS TRIGGER ban;
SET session_replication_role = replica;
UPDATE users SET name = 'Bobby' WHERE id = 2;
INSERT INTO users VALUES (3, 'Carol');
RESET session_replication_role;
SELECT * FROM principals ORDER BY principal;
SELECT * FROM drift;

-- partitioned tables, in which the row may have moved to another partition
CREATE TABLE parted (id integer, region text, is_active boolean DEFAULT true, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parted_eu (region text NOT NULL, is_active boolean DEFAULT true, id integer NOT NULL);
ALTER TABLE parted ATTACH PARTITION parted_eu FOR VALUES IN ('eu');
CREATE TABLE parted_us PARTITION OF parted FOR VALUES IN ('us');
INSERT INTO parted VALUES (1, 'eu'), (2, 'us');
SELECT tokenauth.bind_principals('parted', 'part', '''no-'' || id', active => 'is_active');
CREATE FUNCTION exile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE parted SET region = 'us', is_active = false WHERE id = NEW.id AND region = 'eu';
    UPDATE parted SET is_active = false WHERE id > NEW.id AND is_active;
    RETURN NULL;
END $$;
CREATE TRIGGER exile AFTER INSERT OR UPDATE ON parted FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION exile();
UPDATE parted SET is_active = true;
SELECT * FROM principals WHERE principal LIKE 'part:%' ORDER BY principal;
INSERT INTO parted VALUES (3, 'eu'), (4, 'us'), (5, 'eu');
UPDATE parted_us SET is_active = true WHERE id > 3;
SELECT * FROM principals WHERE principal LIKE 'part:%' ORDER BY principal;
SELECT * FROM drift;

-- triggers written by hand, of rows and of statements, at once and deferred
CREATE TABLE hands (id text, is_active boolean, name text);
CREATE VIEW hand_drift AS
SELECT principal, h.id, h.is_active, p.active
  FROM hands h FULL JOIN (SELECT * FROM principals WHERE principal LIKE 'hand:%') p ON p.principal = 'hand:' || h.id
 WHERE h.is_active IS DISTINCT FROM p.active;
CREATE FUNCTION off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE hands SET is_active = false WHERE id = NEW.id AND is_active;
    RETURN NULL;
END $$;
CREATE TRIGGER a AFTER INSERT OR UPDATE ON hands FOR EACH ROW EXECUTE FUNCTION off();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON hands
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('hand', 'id', 'is_active');
INSERT INTO hands VALUES ('a', true), ('b', true);
UPDATE hands SET is_active = true, name = 'A' WHERE id = 'a';
SELECT * FROM hand_drift;
DROP TRIGGER b ON hands;
CREATE TRIGGER b AFTER INSERT ON hands REFERENCING NEW TABLE AS new
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('hand', 'id', 'is_active');
CREATE TRIGGER c AFTER UPDATE ON hands REFERENCING NEW TABLE AS new OLD TABLE AS old
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('hand', 'id', 'is_active');
INSERT INTO hands VALUES ('c', true), ('d', true);
UPDATE hands SET is_active = true;
SELECT * FROM hand_drift;
DROP TRIGGER b ON hands;
DROP TRIGGER c ON hands;
DROP TRIGGER a ON hands;
CREATE CONSTRAINT TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON hands DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('hand', 'id', 'is_active');
CREATE CONSTRAINT TRIGGER a AFTER INSERT OR UPDATE ON hands DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION off();
BEGIN;
UPDATE hands SET is_active = true;
INSERT INTO hands VALUES ('e', true);
COMMIT;
SELECT * FROM hand_drift;
SELECT * FROM principals WHERE principal LIKE 'hand:%' ORDER BY principal;

-- memberships
CREATE TABLE orgs (id integer PRIMARY KEY);
CREATE TABLE memberships (org_id integer REFERENCES orgs ON UPDATE CASCADE, user_id integer, roles text[], PRIMARY KEY (org_id, user_id));
SELECT tokenauth.put_principal('org:' || n) FROM generate_series(1, 3) n;
SELECT tokenauth.put_principal('org:10'), tokenauth.put_principal('org:100');
SELECT tokenauth.bind_members('memberships', '''org:'' || org_id', $$'user:' || user_id::text$$, 'roles');
CREATE FUNCTION demote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.user_id = 1 THEN
        DELETE FROM memberships WHERE org_id = NEW.org_id AND user_id = 1;
    ELSE
        UPDATE memberships SET roles = '{}' WHERE org_id = NEW.org_id AND user_id = NEW.user_id AND roles <> '{}';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER demote AFTER INSERT OR UPDATE ON memberships FOR EACH ROW EXECUTE FUNCTION demote();
INSERT INTO orgs VALUES (1), (2), (3);
INSERT INTO memberships VALUES (1, 1, '{devices:read}'), (1, 2, '{devices:read}'), (2, 3, '{devices:read}');
SELECT org, member, permissions FROM tokenauth.member ORDER BY org, member;
UPDATE memberships SET roles = '{sites:read}' WHERE org_id = 1;
SELECT org, member, permissions FROM tokenauth.member ORDER BY org, member;
SELECT * FROM drift;
DROP TRIGGER demote ON memberships;

-- two foreign keys that carry a row from one id to a second and on to a third, all in one statement
CREATE TABLE earlier_orgs (id integer PRIMARY KEY);
INSERT INTO orgs VALUES (100);
INSERT INTO earlier_orgs VALUES (1), (2), (10);
ALTER TABLE memberships ADD FOREIGN KEY (org_id) REFERENCES earlier_orgs ON UPDATE CASCADE;
WITH second AS (UPDATE earlier_orgs SET id = 100 WHERE id = 10) UPDATE orgs SET id = 10 WHERE id = 1;
SELECT org_id, user_id FROM memberships ORDER BY org_id, user_id;
SELECT org, member, permissions FROM tokenauth.member ORDER BY org, member;
SELECT * FROM drift;

-- whoever may write the table need neither be allowed to read it, nor see all of its rows
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_owner, regress_tokenauth_writer;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_owner;
CREATE ROLE regress_tokenauth_writer;
SELECT tokenauth.grant_access('regress_tokenauth_owner', 'manage');
GRANT CREATE ON SCHEMA public TO regress_tokenauth_owner;
SET ROLE regress_tokenauth_owner;
CREATE TABLE accounts (id integer, email text UNIQUE, is_active boolean DEFAULT true, dropped text, "it's" text);
ALTER TABLE accounts DROP COLUMN dropped;
CREATE UNIQUE INDEX ON accounts (id);
CREATE FUNCTION whoami() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN current_user; END';
CREATE FUNCTION suspend() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE accounts SET is_active = false WHERE id = NEW.id AND is_active;
    RETURN NULL;
END $$;
CREATE TRIGGER suspend AFTER INSERT OR UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION suspend();
SELECT tokenauth.bind_principals('accounts', 'account', 'id', active => 'is_active', display_name => 'public.whoami()');
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY nothing ON accounts FOR SELECT USING (false);
CREATE POLICY anything ON accounts FOR INSERT WITH CHECK (true);
GRANT INSERT ON accounts TO regress_tokenauth_writer;
SET ROLE regress_tokenauth_writer;
INSERT INTO accounts VALUES (1, 'Alice@example.org'), (2, 'Bob@example.org');
RESET ROLE;
-- … and the expressions run as the writer, like those over the rows of a trigger
SELECT principal, active, display_name FROM tokenauth.principal WHERE principal LIKE 'account:%' ORDER BY principal;
-- … also where the id is an expression, that no index finds for such a writer
SELECT tokenauth.unbind_principals('accounts');
SELECT tokenauth.bind_principals('accounts', 'mail', 'lower(email)', active => 'is_active');
SET ROLE regress_tokenauth_writer;
INSERT INTO accounts VALUES (3, 'Carol@example.org', true, 'x');
RESET ROLE;
UPDATE accounts SET is_active = true, email = lower(email) WHERE id = 2;
SELECT principal, active FROM principals WHERE principal LIKE 'mail:%' ORDER BY principal;
SELECT * FROM drift;
-- … or a text before a column of an odd name
DELETE FROM accounts WHERE "it's" IS NULL;
SELECT tokenauth.unbind_principals('accounts');
SELECT tokenauth.bind_principals('accounts', 'clock', $$'o''clock \' || "it's"$$, active => 'is_active');
UPDATE accounts SET is_active = true;
SELECT principal, active FROM principals WHERE principal LIKE 'clock:%' ORDER BY principal;
SELECT * FROM drift;

-- an expression that writes the row itself is overtaken by what it has written
SELECT tokenauth.unbind_principals('accounts');
CREATE TABLE visits (id integer PRIMARY KEY, is_open boolean NOT NULL DEFAULT true);
CREATE FUNCTION opened(visit integer, was_open boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.visits SET is_open = false WHERE id = visit AND is_open;
    RETURN was_open;
END $$;
SELECT tokenauth.bind_principals('visits', 'visit', 'id', active => 'public.opened(id, is_open)');
INSERT INTO visits VALUES (1);
INSERT INTO visits VALUES (2), (3);
SELECT principal, active FROM principals WHERE principal LIKE 'visit:%' ORDER BY principal;
SELECT * FROM drift;
SELECT tokenauth.unbind_principals('visits');
DROP TABLE visits;
DROP FUNCTION opened;

DROP TABLE accounts;
DROP FUNCTION whoami(), suspend();
SELECT tokenauth.revoke_access('regress_tokenauth_owner', 'manage');
DROP OWNED BY regress_tokenauth_owner, regress_tokenauth_writer;
DROP ROLE regress_tokenauth_owner, regress_tokenauth_writer;
