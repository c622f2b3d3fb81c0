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

-- who writes the row by hand is told, and can kill what has come back
DELETE FROM tokenauth.principal WHERE principal = 'user:1';
INSERT INTO tokenauth.principal (principal) VALUES ('user:1');
SELECT verdicts(:'alive');
SELECT * FROM found;
SELECT tokenauth.revoke_all('user:1');
SELECT verdicts(:'alive');
SELECT * FROM found;
