-- A principal's row that a superuser deletes by hand takes no death along: whatever puts the principal again takes over what is
-- remembered of the deaths of its tokens, and doctor() tells of a row that does not know of them.
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
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');
SELECT * FROM found;

-- without a row, none works
DELETE FROM tokenauth.principal;
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');
SELECT * FROM found;
SELECT count(*) FROM tokenauth.doctor(compare => false) WHERE area = 'principals';
-- with a new one, those that were dead are dead
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');
SELECT status, revoke_reason FROM tokenauth.tokens WHERE id = :'killed_id';
SELECT epoch, all_dead_before_epoch, revocable_dead_before_epoch FROM tokenauth.principal;
SELECT * FROM found;
-- … and the next death kills the others
SELECT tokenauth.deactivate('user:1'), tokenauth.activate('user:1');
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');
SELECT tokenauth.revoke_all('user:1');
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');

-- the tombstone of a dropped one is no better protected, and so is what empties the table
SELECT tokenauth.drop_principal('user:1');
TRUNCATE tokenauth.principal;
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT token AS alive FROM tokenauth.issue('key', 'user:1') \gset
SELECT verdicts(:'killed', :'revocable', :'lasting', :'alive');
-- what purge() takes for dead is dead
SELECT tokenauth.purge('0') > 0 AS purged;
SELECT verdicts(:'killed', :'alive');

-- another name for the row
UPDATE tokenauth.principal SET principal = 'user:2';
SELECT verdicts(:'killed', :'alive');
SELECT object FROM found;
SELECT tokenauth.put_principal('user:1', '{*}');
SELECT tokenauth.revoke_all('user:1');
SELECT verdicts(:'killed', :'alive');

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
UPDATE tokenauth.principal SET principal = 'user:3' WHERE principal = 'user:1';
UPDATE tokenauth.principal SET principal = 'user:1', epoch = 0, all_dead_before_epoch = 0, revocable_dead_before_epoch = 0 WHERE principal = 'user:3';
SELECT verdicts(:'alive', :'later');
SELECT * FROM found;
SELECT tokenauth.revoke_all('user:1');
SELECT verdicts(:'alive', :'later');

-- … unless it passes for one that is restored: that is told, and what has come back can be killed
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
INSERT INTO tokenauth.principal (principal, created_at) VALUES ('user:1', now() - interval '1 day');
SELECT verdicts(:'alive', :'later');
SELECT * FROM found;
SELECT tokenauth.revoke_all('user:1');
SELECT verdicts(:'alive', :'later');
SELECT * FROM found;
-- … also where only tokens tell that there were other epochs
SELECT token AS newest FROM tokenauth.issue('key', 'user:1', scopes => '{}') \gset
DELETE FROM tokenauth.mass_death WHERE owner = 'user:1';
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
INSERT INTO tokenauth.principal (principal, created_at) VALUES ('user:1', now() - interval '1 day');
SELECT * FROM found;
SELECT tokenauth.deactivate('user:1'), tokenauth.activate('user:1');
SELECT verdicts(:'newest');
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
