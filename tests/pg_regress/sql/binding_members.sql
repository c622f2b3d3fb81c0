-- The application's memberships table bound: whatever changes a row (INSERT, UPDATE, DELETE, TRUNCATE, replication) changes the
-- membership in the same transaction, and with it what the member may do with the tokens of the organisation.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, owner_inactive, manage_permission)
VALUES ('key', 'sk_', '{user,org}', 'suspend', 'keys:manage');
SELECT count(tokenauth.put_principal(p, '{workspaces:*}')) FROM unnest('{org:1,org:2}'::text[]) AS p;
SELECT count(tokenauth.put_principal('user:' || n)) FROM generate_series(1, 6) AS n;
CREATE VIEW members AS SELECT org, member, permissions FROM tokenauth.member;

-- a table with rows in it is bound: they are copied
CREATE TABLE memberships (org_id integer, user_id integer, roles text[] DEFAULT '{keys:manage,workspaces:*}', note text,
                          PRIMARY KEY (org_id, user_id) DEFERRABLE);
INSERT INTO memberships VALUES (1, 1, '{keys:manage,workspaces:*}'), (1, 2, '{workspaces:read}'), (2, 1, '{}');
SELECT tokenauth.bind_members('memberships', $$'org:' || org_id$$, $$'user:' || user_id$$, permissions => 'roles');
SELECT * FROM members ORDER BY org, member;
SELECT event, after FROM tokenauth.events WHERE event LIKE 'members.%';

-- the triggers are the binding
SELECT tgname, tgenabled, pg_get_triggerdef(oid) AS definition
  FROM pg_trigger WHERE tgrelid = 'memberships'::regclass AND NOT tgisinternal ORDER BY tgname;

-- what a member may do follows each statement, in its transaction
SELECT owner FROM tokenauth.issue('key', 'org:1', 'deploy', actor => 'user:1');
SELECT tokenauth.issue('key', 'org:1', actor => 'user:3');
\echo :SQLSTATE
INSERT INTO memberships VALUES (1, 3);
SELECT name FROM tokenauth.list('user:3', 'org:1');
BEGIN;
UPDATE memberships SET roles = '{}' WHERE (org_id, user_id) = (1, 3);
SELECT count(*) FROM tokenauth.list('user:3', 'org:1');
ROLLBACK;
SELECT count(*) FROM tokenauth.list('user:3', 'org:1');
DELETE FROM memberships WHERE (org_id, user_id) = (1, 3);
SELECT tokenauth.issue('key', 'org:1', actor => 'user:3');
\echo :SQLSTATE
-- … and history tells of one as of one that was changed by hand
SELECT event, owner, before, after FROM tokenauth.events WHERE event LIKE 'member.%' ORDER BY id;

-- many rows at once are one event, with how many they were
INSERT INTO memberships SELECT 2, n FROM generate_series(2, 6) AS n;
UPDATE memberships SET roles = '{workspaces:read,workspaces:read}' WHERE user_id > 4;
SELECT * FROM members WHERE org = 'org:2' ORDER BY org, member;
DELETE FROM memberships WHERE user_id > 4;
SELECT event, after FROM tokenauth.events WHERE event LIKE 'members.%' ORDER BY id;

-- a row whose bound values did not change writes nothing and locks nothing
SELECT ctid AS place, xmin AS version, xmax AS lock FROM tokenauth.member WHERE (org, member) = ('org:1', 'user:1') \gset
SELECT ctid AS org_place, xmax AS org_lock FROM tokenauth.principal WHERE principal = 'org:1' \gset
SELECT count(*) AS events FROM tokenauth.events \gset
UPDATE memberships SET note = 'seen';
SELECT ctid = :'place' AND xmin = :'version' AND xmax = :'lock' AS untouched FROM tokenauth.member WHERE (org, member) = ('org:1', 'user:1');
SELECT ctid = :'org_place' AND xmax = :'org_lock' AS untouched FROM tokenauth.principal WHERE principal = 'org:1';
SELECT count(*) - :events AS events FROM tokenauth.events;

-- another organisation or member is another membership, also where two are swapped
UPDATE memberships SET org_id = 1 WHERE (org_id, user_id) = (2, 4);
SELECT * FROM members WHERE member = 'user:4';
UPDATE memberships SET user_id = 3 - user_id WHERE org_id = 1 AND user_id < 3;
SELECT * FROM members WHERE org = 'org:1' ORDER BY member;
SELECT event, after FROM tokenauth.events ORDER BY id DESC LIMIT 1;
-- … and MERGE does two things at once
MERGE INTO memberships m USING (VALUES (1, 4, NULL), (1, 5, '{keys:manage}'::text[])) AS s (org_id, user_id, roles)
   ON (m.org_id, m.user_id) = (s.org_id, s.user_id)
    WHEN MATCHED THEN DELETE
    WHEN NOT MATCHED THEN INSERT VALUES (s.org_id, s.user_id, s.roles);
SELECT * FROM members WHERE org = 'org:1' ORDER BY member;

-- replication fires no statement triggers: the row trigger takes their place
SET session_replication_role = replica;
INSERT INTO memberships VALUES (1, 6, '{keys:manage}');
UPDATE memberships SET roles = '{}' WHERE (org_id, user_id) = (1, 5);
DELETE FROM memberships WHERE (org_id, user_id) = (1, 2);
RESET session_replication_role;
SELECT * FROM members WHERE org = 'org:1' ORDER BY member;

-- a NULL organisation or member is refused; NULL permissions are none
INSERT INTO memberships VALUES (1, 2, NULL);
SELECT * FROM members WHERE (org, member) = ('org:1', 'user:2');
ALTER TABLE memberships DROP CONSTRAINT memberships_pkey, ALTER org_id DROP NOT NULL, ALTER user_id DROP NOT NULL;
INSERT INTO memberships VALUES (1, 3), (NULL, 3);
\echo :SQLSTATE
UPDATE memberships SET user_id = NULL WHERE (org_id, user_id) = (1, 2);
\echo :SQLSTATE
-- … and so is what is no permission
INSERT INTO memberships VALUES (1, 3, '{"keys: manage"}');
\echo :SQLSTATE

-- organisation and member must be there before the row is: an unknown one is refused
INSERT INTO memberships VALUES (1, 3), (1, 99), (98, 97);
\echo :SQLSTATE
INSERT INTO memberships VALUES (98, 1);
\echo :SQLSTATE
UPDATE memberships SET user_id = 99 WHERE (org_id, user_id) = (1, 2);
\echo :SQLSTATE
SELECT tokenauth.drop_principal('user:6');
INSERT INTO memberships VALUES (2, 6);
\echo :SQLSTATE
SELECT * FROM members WHERE org = 'org:1' ORDER BY member;
-- … while a row whose principals are gone goes as any other
DELETE FROM memberships WHERE user_id = 6;
SELECT count(*) FROM members WHERE member = 'user:6';

-- what comes from the table is not changed by hand
SELECT tokenauth.add_member('org:1', 'user:3');
\echo :SQLSTATE
SELECT tokenauth.add_member('org:1', 'user:1', '{*}');
\echo :SQLSTATE
SELECT tokenauth.remove_member('org:1', 'user:1');
\echo :SQLSTATE

-- doctor() compares, and sync_principals repairs what was done while no trigger looked
ALTER TABLE memberships DISABLE TRIGGER USER;
INSERT INTO memberships VALUES (1, 3);
UPDATE memberships SET roles = '{devices:read}' WHERE (org_id, user_id) = (1, 1);
DELETE FROM memberships WHERE (org_id, user_id) = (1, 5);
ALTER TABLE memberships ENABLE TRIGGER USER;
DROP TRIGGER tokenauth_principals_delete ON memberships;
SELECT * FROM tokenauth.doctor() WHERE area <> 'usage';
SELECT tokenauth.sync_principals('memberships');
SELECT * FROM members ORDER BY org, member;
SELECT event, after FROM tokenauth.events ORDER BY id DESC LIMIT 1;
SELECT * FROM tokenauth.doctor() WHERE area <> 'usage';
SELECT tokenauth.sync_principals('memberships');
-- … a member that was dropped and is put again starts empty, until this or its rows bring its memberships back
SELECT tokenauth.drop_principal('user:1');
SELECT tokenauth.put_principal('user:1');
SELECT * FROM members WHERE member = 'user:1';
SELECT object, finding FROM tokenauth.doctor() WHERE area <> 'usage';
SELECT tokenauth.sync_principals('memberships');
SELECT * FROM members WHERE member = 'user:1' ORDER BY org;
-- … and a row of one that is not there has to go first
SELECT tokenauth.drop_principal('user:3');
SELECT object, finding FROM tokenauth.doctor() WHERE area <> 'usage';
SELECT tokenauth.sync_principals('memberships');
\echo :SQLSTATE
DELETE FROM memberships WHERE user_id = 3;
SELECT tokenauth.sync_principals('memberships');
SELECT * FROM tokenauth.doctor() WHERE area <> 'usage';

-- a table of users is bound beside it: a user that is deleted takes its memberships along
CREATE TABLE users (id integer PRIMARY KEY);
INSERT INTO users SELECT generate_series(1, 5);
SELECT tokenauth.bind_principals('users', 'user', 'id');
DELETE FROM users WHERE id = 1;
SELECT count(*) FROM members WHERE member = 'user:1';
SELECT event, before FROM tokenauth.events ORDER BY id DESC LIMIT 1;
INSERT INTO users VALUES (1);
SELECT count(*) FROM members WHERE member = 'user:1';
DELETE FROM memberships WHERE user_id = 1;
-- … also by a foreign key
ALTER TABLE memberships ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
BEGIN;
DELETE FROM users WHERE id = 2;
SELECT count(*) FROM members WHERE member = 'user:2';
ROLLBACK;
SELECT count(*) FROM members WHERE member = 'user:2';
SELECT * FROM tokenauth.doctor() WHERE area <> 'usage';

-- TRUNCATE ends every membership, also CASCADE, also in replication
BEGIN;
SET LOCAL session_replication_role = replica;
TRUNCATE users CASCADE;
SELECT count(*) FROM members;
ROLLBACK;
TRUNCATE memberships;
SELECT count(*) FROM members;
SELECT event, after FROM tokenauth.events ORDER BY id DESC LIMIT 1;

-- one table is bound to memberships, and one binding for each table
CREATE TABLE others (org text, member text);
SELECT tokenauth.bind_members('others', 'org', 'member');
\echo :SQLSTATE
SELECT tokenauth.bind_members('users', '''org:1''', '''user:'' || id');
\echo :SQLSTATE
SELECT tokenauth.bind_principals('memberships', 'membership', 'org_id');
\echo :SQLSTATE

-- unbound, memberships stay as they are and are set by hand
INSERT INTO memberships VALUES (1, 1);
SELECT tokenauth.unbind_principals('memberships');
DELETE FROM memberships;
SELECT * FROM members;
SELECT tokenauth.remove_member('org:1', 'user:1');
SELECT event, after FROM tokenauth.events WHERE event LIKE 'members.%' ORDER BY id DESC LIMIT 1;
SELECT tokenauth.sync_principals('memberships');
\echo :SQLSTATE

-- permissions that are left out are set by hand, and stay whatever the row does
INSERT INTO others VALUES ('org:1', 'user:1'), ('org:1', 'user:1');
SELECT tokenauth.bind_members('others', 'org', 'member');
\echo :SQLSTATE
TRUNCATE others;
INSERT INTO others VALUES ('org:1', 'user:1');
SELECT tokenauth.bind_members('others', 'org', 'member');
SELECT tokenauth.add_member('org:1', 'user:1', '{keys:manage}');
UPDATE others SET org = lower(org);
SELECT * FROM members;
SELECT tokenauth.add_member('org:1', 'user:2', '{keys:manage}');
\echo :SQLSTATE
SELECT tokenauth.remove_member('org:1', 'user:1');
\echo :SQLSTATE
-- … what names no principal, or a member of itself, is refused
INSERT INTO others VALUES ('1', 'user:1');
\echo :SQLSTATE
INSERT INTO others VALUES ('org:1', '');
\echo :SQLSTATE
INSERT INTO others VALUES ('org:1', 'org:1');
\echo :SQLSTATE
-- … and an expression that fails tells of its row
SELECT tokenauth.unbind_principals('others');
SELECT tokenauth.bind_members('others', 'org', 'member', 'ARRAY[(1 / (pg_catalog.length(member) - 6))::text]');
\echo :SQLSTATE
SELECT tokenauth.bind_members('others', 'org', 'member', 'ARRAY[(1 / (pg_catalog.length(member) - 9))::text]');
INSERT INTO others VALUES ('org:1', 'user:2'), ('org:1', 'user:2345');
\echo :SQLSTATE
SELECT tokenauth.unbind_principals('others');

-- a partitioned table has row triggers, and each partition its TRUNCATE trigger
CREATE TABLE parted (org_id integer, user_id integer) PARTITION BY LIST (org_id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted VALUES (1, 1), (1, 2), (2, 1);
SELECT tokenauth.bind_members('parted', $$'org:' || parted.org_id$$, $$'user:' || user_id$$);
UPDATE parted SET org_id = 2 WHERE user_id = 2;
SELECT org, member FROM members ORDER BY org, member;
TRUNCATE parted_2;
SELECT org, member FROM members ORDER BY org, member;
SELECT tokenauth.unbind_principals('parted');

-- a trigger written by hand: no type, then organisation, member and permissions
CREATE TRIGGER by_hand AFTER INSERT OR UPDATE OR DELETE ON others
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('', 'org', 'member', '''{keys:manage}''');
INSERT INTO others VALUES ('org:2', 'user:3');
SELECT * FROM members WHERE member = 'user:3';
SELECT tokenauth.remove_member('org:2', 'user:3');
\echo :SQLSTATE
DROP TRIGGER by_hand ON others;
CREATE TRIGGER without_member AFTER INSERT ON others FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('', 'org');
INSERT INTO others VALUES ('org:2', 'user:4');
\echo :SQLSTATE
DROP TRIGGER without_member ON others;

-- what cannot be bound, and what is no binding
CREATE VIEW a_view AS SELECT * FROM others;
SELECT tokenauth.bind_members('a_view', 'org', 'member');
\echo :SQLSTATE
SELECT tokenauth.bind_members('tokenauth.member', 'org', 'member');
\echo :SQLSTATE
SELECT tokenauth.bind_members(NULL, 'org', 'member');
\echo :SQLSTATE
SELECT tokenauth.bind_members('others', NULL, 'member');
\echo :SQLSTATE
SELECT tokenauth.bind_members('others', 'org', NULL);
\echo :SQLSTATE
SELECT tokenauth.bind_members('others', 'org', 'member), (1');
\echo :SQLSTATE
SELECT tokenauth.bind_members('others', '', 'member');
\echo :SQLSTATE
SELECT tokenauth.bind_members('others', 'org', 'member', '');
\echo :SQLSTATE
SELECT tokenauth.bind_members('others', 'org', 'nobody');
\echo :SQLSTATE

-- expressions run as whoever writes the table, who needs no right on tokenauth; only its owner binds
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_app, regress_tokenauth_writer;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_app;
CREATE ROLE regress_tokenauth_writer;
GRANT CREATE ON SCHEMA public TO regress_tokenauth_app;
SELECT tokenauth.grant_access('regress_tokenauth_app', 'manage');
CREATE FUNCTION mine() RETURNS text[] LANGUAGE sql RETURN ARRAY[current_user::text];
SET ROLE regress_tokenauth_app;
SELECT tokenauth.bind_members('others', 'org', 'member');
\echo :SQLSTATE
CREATE TABLE theirs (org text, member text);
GRANT INSERT, SELECT, DELETE ON theirs TO regress_tokenauth_writer;
SELECT tokenauth.bind_members('theirs', 'org', 'member', 'public.mine()');
SET ROLE regress_tokenauth_writer;
INSERT INTO theirs VALUES ('org:2', 'user:4'), ('org:2', 'user:5');
DELETE FROM theirs WHERE member = 'user:5';
SELECT tokenauth.add_member('org:2', 'user:5');
\echo :SQLSTATE
RESET ROLE;
SELECT * FROM members WHERE org = 'org:2' AND member > 'user:3';

DROP TABLE theirs;
DROP FUNCTION mine();
SELECT tokenauth.revoke_access('regress_tokenauth_app', 'verify'), tokenauth.revoke_access('regress_tokenauth_app', 'self'),
       tokenauth.revoke_access('regress_tokenauth_app', 'manage');
REVOKE ALL ON SCHEMA tokenauth, public FROM regress_tokenauth_app;
DROP OWNED BY regress_tokenauth_app, regress_tokenauth_writer;
DROP ROLE regress_tokenauth_app, regress_tokenauth_writer;
