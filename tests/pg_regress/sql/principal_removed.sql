-- A principal is never removed, and what has died stays dead: a row that a superuser deletes by hand takes its tokens along for good,
-- and each row that comes in its place, whoever writes it, knows of the deaths before it. doctor() tells of one that does not.
CREATE EXTENSION tokenauth;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, owner_inactive)
VALUES ('key', 'key_', '{user,person}', 'revoke'), ('pass', 'pass_', '{user}', 'suspend');
CREATE FUNCTION verdicts(VARIADIC tokens text[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(v.verdict, ', ' ORDER BY t.place)
      FROM unnest(tokens) WITH ORDINALITY t (token, place), LATERAL tokenauth.verify(t.token) v $$;
CREATE VIEW found AS SELECT object, finding FROM tokenauth.doctor() WHERE area = 'principals';

-- one token that a mass death has killed, one that dies with its owner only if that is dropped, and one that was issued since
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT token AS killed, id AS killed_id FROM tokenauth.issue('key', 'user:1') \gset
SELECT tokenauth.revoke_all('user:1', reason => 'stolen');
SELECT token AS revocable FROM tokenauth.issue('key', 'user:1') \gset
SELECT token AS lasting FROM tokenauth.issue('pass', 'user:1') \gset
SELECT tokenauth.deactivate('user:1'), tokenauth.activate('user:1');
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
SELECT tokenauth.put_principal('org:1'), tokenauth.add_member('org:1', 'user:1');
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');
SELECT * FROM found;

-- without a row, none works
SELECT clock_timestamp() AS before \gset
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');
SELECT * FROM found;
SELECT count(*) FROM tokenauth.doctor(compare => false) WHERE area = 'principals';
-- with a new one, all are dead, those that were so before for the reason of then
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');
SELECT revoke_reason, revoked_at > :'before' AS lately, revoked_by = 'role:' || current_user AS by_me FROM tokenauth.tokens ORDER BY id;
SELECT epoch, all_dead_before_epoch, revocable_dead_before_epoch FROM tokenauth.principal WHERE principal = 'user:1';
SELECT * FROM found;
-- … it is a member of nothing, and nobody is its member
SELECT count(*) FROM tokenauth.member;
-- … and what is issued to it lives, until it dies
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
SELECT verdicts(:'lasting', :'alive');
SELECT tokenauth.deactivate('user:1'), tokenauth.activate('user:1');
SELECT verdicts(:'lasting', :'alive');

-- the tombstone of a dropped one is no better protected
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
SELECT tokenauth.drop_principal('user:1');
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT verdicts(:'lasting', :'alive');

-- what empties the table kills all
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
TRUNCATE tokenauth.principal;
SELECT verdicts(:'alive');
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT verdicts(:'lasting', :'alive');
SELECT event, after FROM tokenauth.events WHERE event LIKE 'principals.%';
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
SELECT verdicts(:'alive');
-- … but for what goes in the same statement
BEGIN;
TRUNCATE tokenauth.principal, tokenauth.token, tokenauth.mass_death;
SELECT count(*) FROM tokenauth.mass_death;
ROLLBACK;
-- what purge() takes for dead is dead
SELECT tokenauth.purge('0') > 0 AS purged;
SELECT verdicts(:'killed', :'alive');

-- a row that is put back is no other, however old it says that it is
CREATE TABLE backup_of_principal AS SELECT * FROM tokenauth.principal WHERE principal = 'user:1';
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
INSERT INTO tokenauth.principal SELECT * FROM backup_of_principal;
SELECT verdicts(:'alive');
SELECT * FROM found;
-- … also in the role of a replica
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
SET session_replication_role = replica;
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
INSERT INTO tokenauth.principal SELECT * FROM backup_of_principal;
RESET session_replication_role;
SELECT verdicts(:'alive');
-- … after a death by a function
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
SELECT tokenauth.deactivate('user:1');
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
INSERT INTO tokenauth.principal SELECT * FROM backup_of_principal;
SELECT verdicts(:'alive');
-- … and where its removal was not seen, for whoever puts it with a function
BEGIN;
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
ALTER TABLE tokenauth.principal DISABLE TRIGGER signal_delete;
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT verdicts(:'alive');
SELECT m.by, m.reason, m.covers FROM tokenauth.mass_death m WHERE owner = 'user:1' ORDER BY epoch DESC LIMIT 1;
ROLLBACK;

-- whoever is made inactive by hand has died as by a function, and so has whoever is dropped
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
SELECT token AS lasting FROM tokenauth.issue('pass', 'user:1') \gset
UPDATE tokenauth.principal SET active = false, state_reason = 'on leave' WHERE principal = 'user:1';
SELECT verdicts(:'alive', :'lasting');
UPDATE tokenauth.principal SET active = true, state_reason = NULL WHERE principal = 'user:1';
SELECT verdicts(:'alive', :'lasting');
SELECT m.reason, m.covers FROM tokenauth.mass_death m WHERE owner = 'user:1' ORDER BY epoch DESC LIMIT 1;
UPDATE tokenauth.principal SET dropped_at = now() WHERE principal = 'user:1';
UPDATE tokenauth.principal SET dropped_at = NULL WHERE principal = 'user:1';
SELECT verdicts(:'alive', :'lasting');
SELECT * FROM found;

-- another name for the row
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
UPDATE tokenauth.principal SET principal = 'user:2' WHERE principal = 'user:1';
SELECT verdicts(:'alive');
SELECT object FROM found;
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT verdicts(:'alive');
UPDATE tokenauth.principal SET principal = 'user:4' WHERE principal = 'user:1';
UPDATE tokenauth.principal SET principal = 'user:1' WHERE principal = 'user:2';
SELECT verdicts(:'alive');
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset

-- a bound table puts them again, one by one and many at once
CREATE TABLE person (id integer PRIMARY KEY);
INSERT INTO person SELECT generate_series(1, 3);
SELECT tokenauth.bind_principals('person', 'person', 'id::text');
SELECT token AS one FROM tokenauth.issue('key', 'person:1', scopes => '{}') \gset
SELECT token AS two FROM tokenauth.issue('key', 'person:2', scopes => '{}') \gset
SELECT tokenauth.revoke_all('person:1'), tokenauth.revoke_all('person:2');
DELETE FROM tokenauth.principal WHERE principal LIKE 'person:%';
SELECT tokenauth.sync_principals('person');
SELECT verdicts(:'one', :'two');
DELETE FROM person WHERE id = 1;
DELETE FROM tokenauth.principal WHERE principal = 'person:1';
INSERT INTO person VALUES (1);
SELECT verdicts(:'one', :'two');
DELETE FROM tokenauth.principal WHERE principal LIKE 'person:%';
-- others go while they come, so that all of them are locked first
UPDATE person SET id = id + 10;
UPDATE person SET id = id - 10;
SELECT verdicts(:'one', :'two');
SELECT * FROM found;

-- a row that is written by hand knows as much
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
INSERT INTO tokenauth.principal (principal) VALUES ('user:1');
SELECT verdicts(:'alive');
SELECT * FROM found;
SELECT token AS later FROM tokenauth.issue('key', 'user:1', scopes => '{}') \gset
UPDATE tokenauth.principal SET epoch = 0, all_dead_before_epoch = 0, revocable_dead_before_epoch = 0 WHERE principal = 'user:1';
SELECT verdicts(:'alive', :'later');
UPDATE tokenauth.principal SET principal = 'user:3' WHERE principal = 'user:1';
UPDATE tokenauth.principal SET principal = 'user:1', epoch = 0, all_dead_before_epoch = 0, revocable_dead_before_epoch = 0 WHERE principal = 'user:3';
SELECT verdicts(:'alive', :'later');
SELECT * FROM found;
SELECT tokenauth.revoke_all('user:1');
SELECT verdicts(:'alive', :'later');

-- whoever removes what is remembered as well is told of by the tokens, and what has come back can be killed
SELECT token AS newest FROM tokenauth.issue('key', 'user:1', scopes => '{}') \gset
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
DELETE FROM tokenauth.mass_death WHERE owner = 'user:1';
INSERT INTO tokenauth.principal (principal, created_at) VALUES ('user:1', now() - interval '1 day');
SELECT verdicts(:'alive', :'newest');
SELECT * FROM found;
SELECT tokenauth.revoke_all('user:1') > 0 AS died;
SELECT verdicts(:'alive', :'newest');
SELECT * FROM found;

-- history tells what was removed by hand, and so does an export, unless it is there again
SELECT token AS gone, id AS gone_id FROM tokenauth.issue('key', 'user:1', scopes => '{}') \gset
SELECT token AS kept, id AS kept_id FROM tokenauth.issue('key', 'user:1', scopes => '{}') \gset
CREATE TABLE backup AS SELECT * FROM tokenauth.token WHERE id IN (:'gone_id', :'kept_id');
SELECT clock_timestamp() AS since \gset
DELETE FROM tokenauth.token WHERE id IN (:'gone_id', :'kept_id');
INSERT INTO tokenauth.token SELECT * FROM backup WHERE id = :'kept_id';
DELETE FROM tokenauth.principal WHERE principal = 'person:3';
SELECT event, kind, owner, role = current_user AS by_me, count(*) FROM tokenauth.events WHERE at >= :'since' GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT tokenauth.export_revocations(:'since') AS revocations \gset
SELECT value ->> 'id' = :'gone_id' AS gone, value ->> 'by' = 'role:' || current_user AS by_me, value ->> 'reason' AS reason
  FROM jsonb_array_elements(:'revocations'::jsonb -> 'tokens');
SELECT value ->> 'owner' AS owner, value ->> 'covers' AS covers FROM jsonb_array_elements(:'revocations'::jsonb -> 'owners');
-- … so that they are dead where they were restored
INSERT INTO tokenauth.token SELECT * FROM backup WHERE id = :'gone_id';
SELECT verdicts(:'gone', :'kept');
SELECT tokenauth.import_revocations(:'revocations');
SELECT verdicts(:'gone', :'kept');
