-- purge() removes what has been of no use for longer than its argument: tokens that died or expired, tombstones, events. It touches
-- nothing alive, brings nothing back, leaves an event, and is the only thing that ever removes history.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_janitor;
RESET client_min_messages;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
INSERT INTO tokenauth.kind (name, prefix, owner_inactive, expired_editable) VALUES ('patient', 'patient_', 'suspend', true);
SELECT count(tokenauth.put_principal('user:' || name, '{devices:read}')) FROM unnest('{alice,bob,carol,dora,emil}'::text[]) AS name;
CREATE TABLE held AS
SELECT i.name, i.id, i.token
  FROM unnest('{alive,revoked long ago,revoked lately,deleted long ago,expired long ago,expired lately,disabled}'::text[]) AS wanted,
       LATERAL tokenauth.issue('api', 'user:alice', wanted, expires_in => CASE WHEN wanted LIKE 'expired%' THEN interval '1 millisecond' END) i;
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:bob', 'died with its owner');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('patient', 'user:bob', 'suspended');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:carol', 'all died long ago');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:dora', 'dropped long ago');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:emil', 'dropped lately');
SELECT count(tokenauth.revoke(id)) FROM held WHERE name LIKE 'revoked%';
SELECT count(tokenauth.delete(id)) FROM held WHERE name LIKE 'deleted%';
SELECT count(tokenauth.disable(id)) FROM held WHERE name LIKE 'disabled%';
SELECT tokenauth.deactivate('user:bob'), tokenauth.revoke_all('user:carol');
SELECT tokenauth.drop_principal('user:dora'), tokenauth.drop_principal('user:emil');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:carol', 'issued after the death of all');
SELECT pg_sleep(0.01);

-- nothing is that old yet
SELECT tokenauth.purge('30 days');
SELECT count(*) FROM tokenauth.events WHERE event = 'history.purged';

-- time passes for those that died long ago
UPDATE tokenauth.token t SET revoked_at = revoked_at - interval '40 days', expires_at = expires_at - interval '40 days',
       created_at = t.created_at - interval '50 days'
  FROM held WHERE held.id = t.id AND held.name LIKE '%long ago';
UPDATE tokenauth.mass_death SET at = at - interval '40 days' WHERE owner IN ('user:bob', 'user:carol', 'user:dora');
UPDATE tokenauth.principal SET dropped_at = dropped_at - interval '40 days' WHERE principal = 'user:dora';
INSERT INTO tokenauth.announced SELECT id, now(), '1 day' FROM held WHERE name IN ('alive', 'expired long ago');
SELECT id, xmin AS version INTO TEMPORARY before FROM tokenauth.token;
SELECT verdict FROM held, LATERAL tokenauth.verify(token) v WHERE held.name = 'all died long ago';

-- they go, with their uses; everything else stays, unwritten
SELECT tokenauth.purge('30 days');
SELECT held.name AS gone FROM held LEFT JOIN tokenauth.token t USING (id) WHERE t.id IS NULL ORDER BY held.name;
SELECT held.name AS left, t.xmin = version AS unwritten FROM held JOIN tokenauth.token t USING (id) JOIN before USING (id) ORDER BY held.name;
SELECT count(*) AS uses_of_nothing FROM tokenauth.usage WHERE token_id NOT IN (SELECT id FROM tokenauth.token);
SELECT held.name AS announced FROM tokenauth.announced LEFT JOIN held ON held.id = token_id;
SELECT count(*) AS without_uses FROM tokenauth.token WHERE id NOT IN (SELECT token_id FROM tokenauth.usage);
SELECT principal, dropped_at IS NOT NULL AS dropped FROM tokenauth.principal ORDER BY principal;
SELECT owner, covers FROM tokenauth.mass_death ORDER BY owner;
-- … of whom and what, and that by an event
SELECT event, after - 'before' AS after, actor, role = session_user AS by_me,
       now() AT TIME ZONE 'UTC' - (after ->> 'before')::timestamptz AT TIME ZONE 'UTC' BETWEEN interval '30 days' AND interval '30 days 1 minute' AS before
  FROM tokenauth.events WHERE event = 'history.purged';

-- what is gone is unknown, what was dead and is left stays dead, what was alive is alive
SELECT held.name, v.verdict FROM held, LATERAL tokenauth.verify(held.token) v ORDER BY held.name;
-- … and once more there is nothing to do
SELECT tokenauth.purge('30 days');
SELECT count(*) FROM tokenauth.events WHERE event = 'history.purged';

-- whoever gets the id of a tombstone next begins empty, and its tokens are its own
SELECT tokenauth.put_principal('user:dora', '{devices:read}');
SELECT token, id FROM tokenauth.issue('api', 'user:dora') \gset
SELECT verdict FROM tokenauth.verify(:'token');
SELECT status, revoked_at FROM tokenauth.tokens WHERE id = :'id';

-- a tombstone stays as long as a token of its is left
UPDATE tokenauth.principal SET dropped_at = dropped_at - interval '40 days' WHERE principal = 'user:emil';
SELECT tokenauth.purge('30 days');
SELECT verdict FROM held, LATERAL tokenauth.verify(token) v WHERE held.name = 'dropped lately';

-- texts of tokens that died with others are wiped, however lately; those of suspended ones are not
UPDATE tokenauth.token t SET sealed = '\x00', seal = 's' FROM held
 WHERE t.id = held.id AND held.name IN ('alive', 'died with its owner', 'suspended', 'dropped lately');
UPDATE tokenauth.mass_death SET at = now() WHERE owner = 'user:bob';
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:alice', 'dead since yesterday');
SELECT tokenauth.activate('user:bob');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:bob', 'died with its owner');
UPDATE tokenauth.token t SET sealed = '\x00', seal = 's' FROM held WHERE t.id = held.id AND held.name = 'died with its owner';
SELECT tokenauth.deactivate('user:bob');
SELECT tokenauth.purge('30 days');
SELECT held.name, sealed IS NOT NULL AS sealed, seal FROM held JOIN tokenauth.token t USING (id)
 WHERE held.name IN ('alive', 'died with its owner', 'suspended', 'dropped lately') ORDER BY 1;

-- events: those before, and no others
INSERT INTO tokenauth.event (id, at, event, role)
VALUES ('016f5e66-e800-7000-8000-000000000001', '2020-01-01 00:00Z', 'token.issued', 'somebody'),
       ('016f5e66-e800-7000-8000-000000000002', '2020-01-01 00:00Z', 'history.purged', 'somebody');
SELECT count(*) AS events FROM tokenauth.events \gset
SELECT tokenauth.purge('1 year');
SELECT count(*) - :events AS more FROM tokenauth.events;
SELECT count(*) FROM tokenauth.events WHERE at < now() - interval '1 year';
-- … with 0 all that is dead and done with goes; of the purges themselves the last is left, so that it comes to an end
SELECT pg_sleep(0.01);
SELECT tokenauth.purge('0') > 0 AS some;
SELECT tokenauth.purge('0');
SELECT event FROM tokenauth.events;
SELECT status, count(*) FROM tokenauth.tokens GROUP BY status ORDER BY status;
SELECT principal, active FROM tokenauth.principal ORDER BY principal;

-- a digest that is gone may be imported again: old hashes are imported once
SELECT tokenauth.import('api', 'user:alice', encode(sha256('old-secret'), 'hex'), 'sha256') AS id \gset
SELECT tokenauth.revoke(:'id');
SELECT pg_sleep(0.01);
SELECT tokenauth.purge('0') > 0 AS some;
SELECT verdict FROM tokenauth.verify('old-secret');

-- keeping longer than the calendar goes back removes nothing
SELECT tokenauth.purge('5000 years'), tokenauth.purge('178000000 years');

-- history stays what it is for everybody else, after a purge and after one that failed
DELETE FROM tokenauth.event;
\echo :SQLSTATE
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
CREATE TRIGGER stop AFTER DELETE ON tokenauth.event FOR EACH STATEMENT EXECUTE FUNCTION stop();
SELECT tokenauth.purge('0');
\echo :SQLSTATE
DROP TRIGGER stop ON tokenauth.event;
DELETE FROM tokenauth.event;
\echo :SQLSTATE
UPDATE tokenauth.event SET role = 'somebody';
\echo :SQLSTATE

-- neither NULL nor a length of time less than nothing
SELECT tokenauth.purge(NULL);
\echo :SQLSTATE
SELECT tokenauth.purge('-1 day');
\echo :SQLSTATE

-- only for administrators
CREATE ROLE regress_tokenauth_janitor;
SELECT tokenauth.grant_access('regress_tokenauth_janitor', 'manage');
SET ROLE regress_tokenauth_janitor;
SELECT tokenauth.purge('0');
\echo :SQLSTATE
RESET ROLE;
SELECT tokenauth.grant_access('regress_tokenauth_janitor', 'admin');
SET ROLE regress_tokenauth_janitor;
SELECT tokenauth.purge('1 year');
SET tokenauth.retention = '1 day';
\echo :SQLSTATE
RESET ROLE;

-- the setting for the worker: an interval, also of one database, or nothing
SHOW tokenauth.retention;
SET tokenauth.retention = '1 year 6 months';
SHOW tokenauth.retention;
SET tokenauth.retention = '90d';
SET tokenauth.retention = '';
SET tokenauth.retention = 'long';
\echo :SQLSTATE
SET tokenauth.retention = '-1 day';
\echo :SQLSTATE
SET tokenauth.retention = '999999999999999 years';
\echo :SQLSTATE
SELECT current_database() AS database \gset
ALTER DATABASE :"database" SET tokenauth.retention = '2 years';
ALTER DATABASE :"database" SET tokenauth.retention = 'for ever';
\echo :SQLSTATE
\connect
SELECT tokenauth.purge('1 year');
SHOW tokenauth.retention;
ALTER DATABASE :"database" RESET tokenauth.retention;
DROP OWNED BY regress_tokenauth_janitor;
DROP ROLE regress_tokenauth_janitor;
