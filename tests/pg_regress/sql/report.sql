-- report() answers on one page what one asks on Monday: which tokens there are, which expire, which nobody uses, which are used
-- unusually, which have died, what has drifted, what is set.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_reader;
RESET client_min_messages;

-- of an empty database
SELECT * FROM tokenauth.report();

INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('api', 'api_', 'revoke'), ('seat', 'seat_', 'suspend'), ('unused', 'unused_', 'revoke');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.put_principal('user:bob', '{devices:read}');
CREATE TABLE held AS
SELECT i.name, i.id FROM unnest('{busy,sleepy,never used,lost,lost too,stolen,silent,off,later}'::text[]) AS wanted,
       LATERAL tokenauth.issue('api', 'user:alice', wanted, expires_in => '100 days', not_before => CASE wanted WHEN 'later' THEN now() + interval '1 day' END) i;
INSERT INTO held SELECT name, id FROM tokenauth.issue('seat', 'user:bob', 'seat', expires_in => '3 days');
INSERT INTO held SELECT name, id FROM tokenauth.issue('api', 'user:bob', 'his');
INSERT INTO held SELECT name, id FROM tokenauth.issue('api', 'user:alice', 'gone', expires_in => '1 millisecond');
SELECT count(tokenauth.revoke(id, 'laptop lost')) FROM held WHERE name LIKE 'lost%';
SELECT count(tokenauth.revoke(id, 'stolen')) FROM held WHERE name = 'stolen';
SELECT count(tokenauth.revoke(id)) FROM held WHERE name = 'silent';
SELECT count(tokenauth.disable(id)) FROM held WHERE name = 'off';
SELECT tokenauth.deactivate('user:bob', 'left');
UPDATE tokenauth.token SET created_at = '2020-01-01 00:00Z' FROM held WHERE held.id = token.id AND held.name IN ('sleepy', 'never used', 'busy');
UPDATE tokenauth.usage SET last_used_at = '2021-02-03 04:05Z' FROM held WHERE token_id = id AND held.name = 'sleepy';
UPDATE tokenauth.usage SET last_used_at = now() FROM held WHERE token_id = id AND held.name = 'busy';
SELECT count(*) FROM generate_series(1, 15) AS n, LATERAL tokenauth.issue('api', 'user:alice', 'short ' || n, expires_in => '2 days' + n * interval '1 minute') i;
UPDATE tokenauth.token SET expires_at = '2100-01-02 03:04Z' WHERE name = 'later';
SELECT pg_sleep(0.01);
SET TimeZone = 'UTC';

-- what there is
SELECT section, item, CASE WHEN section = 'expiring' AND item LIKE '% of %' THEN 'a date' ELSE value END AS value
  FROM tokenauth.report() WHERE section <> 'settings';
-- the settings that somebody has set; where the key file lies is for superusers
SET tokenauth.retention = '1 year';
SELECT item, value FROM tokenauth.report() WHERE section = 'settings';

-- what has drifted
CREATE TABLE users (id integer PRIMARY KEY, name text);
SELECT tokenauth.bind_principals('users', 'customer', 'id::text', display_name => 'name');
ALTER TABLE users DISABLE TRIGGER tokenauth_principals_insert;
INSERT INTO users VALUES (1, 'Carol');
SELECT item, value FROM tokenauth.report() WHERE section = 'drift';

-- for whoever may observe, in a read-only transaction too
CREATE ROLE regress_tokenauth_reader;
SELECT tokenauth.grant_access('regress_tokenauth_reader', 'observe');
SET ROLE regress_tokenauth_reader;
BEGIN READ ONLY;
SELECT DISTINCT section FROM tokenauth.report() ORDER BY section;
COMMIT;
RESET ROLE;
DROP OWNED BY regress_tokenauth_reader;
DROP ROLE regress_tokenauth_reader;
