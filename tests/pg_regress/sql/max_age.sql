-- A token ends at the age that its kind allows, whatever its expires_at and however long before it was issued. Whoever shows or
-- judges an end uses the earlier of the two; what is stored stays as it was given.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null (null)
SET timezone = 'UTC';
INSERT INTO tokenauth.kind (name, prefix, expired_editable) VALUES ('key', 'key_', true), ('other', 'other_', false);
SELECT tokenauth.put_principal('user:alice', '{devices:*}');
SELECT id, token FROM tokenauth.issue('key', 'user:alice', 'laptop', scopes => '{devices:read}') \gset
UPDATE tokenauth.token SET created_at = now() - interval '40 days' WHERE id = :'id';
SELECT verdict, expires_at FROM tokenauth.verify(:'token');

-- the age is set: a token of 40 days, that is remembered as valid, is too old at once for 30, and not for 60
UPDATE tokenauth.kind SET max_age = '30 days' WHERE name = 'key';
SELECT verdict, http_status FROM tokenauth.verify(:'token');
UPDATE tokenauth.kind SET max_age = '60 days' WHERE name = 'key';
SELECT v.verdict, v.expires_at = t.created_at + interval '60 days' AS at_sixty_days FROM tokenauth.verify(:'token') v, tokenauth.token t WHERE t.id = :'id';
-- … in an open transaction too
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT verdict FROM tokenauth.verify(:'token');
UPDATE tokenauth.kind SET max_age = '30 days' WHERE name = 'key';
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;
SELECT verdict FROM tokenauth.verify(:'token');
-- … other kinds are not concerned
SELECT token AS another, id AS another_id FROM tokenauth.issue('other', 'user:alice') \gset
UPDATE tokenauth.token SET created_at = now() - interval '40 days' WHERE id = :'another_id';
SELECT verdict, expires_at FROM tokenauth.verify(:'another');

-- months and days count in UTC, whatever the time zone of the session, and a month is what the calendar says
UPDATE tokenauth.kind SET max_age = '1 month' WHERE name = 'other';
UPDATE tokenauth.token SET created_at = '2999-01-31 23:30:00+00' WHERE id = :'another_id';
SET timezone = 'Pacific/Auckland';
SELECT expires_at AT TIME ZONE 'UTC' AS verified FROM tokenauth.verify(:'another');
SELECT expires_at AT TIME ZONE 'UTC' AS shown FROM tokenauth.tokens WHERE id = :'another_id';
SELECT expires_at AT TIME ZONE 'UTC' AS listed FROM tokenauth.list() WHERE id = :'another_id';
SET timezone = 'UTC';
SELECT tokenauth.delete(:'another_id');

-- whoever shows an end shows the same: of tokens that end by their expiry, by their age, by neither
CREATE TABLE wanted AS
SELECT row_number() OVER () AS n, a.age, e.expires_at
  FROM unnest('{1 hour,50 days,70 days}'::interval[]) a (age),
       unnest(ARRAY[NULL, now() - interval '1 hour', now() + interval '2 days', now() + interval '300 days']) e (expires_at);
CREATE TABLE held AS SELECT w.*, i.id, i.token FROM wanted w, tokenauth.issue('key', 'user:alice', 'number ' || w.n, scopes => '{devices:read}') i;
UPDATE tokenauth.token t SET created_at = now() - h.age, expires_at = h.expires_at FROM held h WHERE t.id = h.id;
CREATE VIEW ends AS
SELECT h.*, least(t.expires_at, t.created_at + interval '60 days') AS ends_at FROM held h JOIN tokenauth.token t ON t.id = h.id;
SELECT e.age, e.expires_at IS NOT NULL AS expires, e.ends_at = t.created_at + interval '60 days' AS by_age, v.verdict, t.status
  FROM ends e CROSS JOIN LATERAL tokenauth.verify(e.token) v JOIN tokenauth.tokens t ON t.id = e.id ORDER BY e.n;
SELECT count(*) AS tokens,
       count(*) FILTER (WHERE v.ok AND v.expires_at IS DISTINCT FROM e.ends_at) AS verified_otherwise,
       count(*) FILTER (WHERE t.expires_at IS DISTINCT FROM e.ends_at) AS shown_otherwise,
       count(*) FILTER (WHERE l IS DISTINCT FROM t) AS listed_otherwise,
       count(*) FILTER (WHERE d IS DISTINCT FROM t) AS described_otherwise,
       count(*) FILTER (WHERE v.ok <> (t.status = 'active')) AS status_otherwise,
       count(*) FILTER (WHERE v.ok AND (tokenauth.introspect(e.token) ->> 'exp')::bigint <> floor(extract(epoch FROM e.ends_at))) AS introspected_otherwise,
       count(*) FILTER (WHERE v.ok = x.expired) AS explained_otherwise
  FROM ends e
 CROSS JOIN LATERAL tokenauth.verify(e.token) v
 CROSS JOIN LATERAL tokenauth.describe(e.id) d
 CROSS JOIN LATERAL (SELECT bool_or(NOT passed) AS expired FROM tokenauth.explain(e.id::text) WHERE step = 'not expired') x
  JOIN tokenauth.tokens t ON t.id = e.id
  JOIN tokenauth.list() l ON l.id = e.id;
SELECT name FROM tokenauth.list(status => 'expired') EXCEPT SELECT name FROM tokenauth.tokens WHERE status = 'expired';
SELECT name FROM tokenauth.list(status => 'active') EXCEPT SELECT name FROM tokenauth.tokens WHERE status = 'active';
SELECT step, passed, reason FROM held h, tokenauth.explain(h.id::text) WHERE h.n IN (9, 10) AND step = 'not expired';

-- expiring() finds both
SELECT e.n FROM tokenauth.expiring('20 days') x JOIN ends e ON e.id = x.id ORDER BY x.expires_at, e.n;
SELECT x.id FROM tokenauth.expiring('20 days') x EXCEPT SELECT id FROM tokenauth.tokens WHERE expires_at > now() AND expires_at <= now() + interval '20 days';
SELECT id FROM tokenauth.tokens WHERE expires_at > now() AND expires_at <= now() + interval '20 days' EXCEPT SELECT id FROM tokenauth.expiring('20 days');
-- idle() shows only those alive, with the same end
SELECT count(*) AS idle, count(*) FILTER (WHERE i IS DISTINCT FROM t) AS differ FROM tokenauth.idle('0') i LEFT JOIN tokenauth.tokens t ON t.id = i.id;
-- so does the report, whether a kind has an age or none has
UPDATE tokenauth.kind SET max_age = '52 days' WHERE name = 'key';
SELECT item FROM tokenauth.report() WHERE section = 'expiring' AND item NOT LIKE 'within%';
SELECT value FROM tokenauth.report() WHERE section = 'expiring' AND item LIKE 'within%';
UPDATE tokenauth.kind SET max_age = NULL;
SELECT item FROM tokenauth.report() WHERE section = 'expiring' AND item NOT LIKE 'within%';
UPDATE tokenauth.kind SET max_age = '60 days' WHERE name = 'key';

-- what has ended is not alive: it is not counted, and takes no place
UPDATE tokenauth.kind SET max_active_per_owner = (SELECT count(*) FROM tokenauth.tokens WHERE status = 'active') WHERE name = 'key';
SELECT tokenauth.issue('key', 'user:alice');
\echo :SQLSTATE
UPDATE tokenauth.kind SET max_age = '20 days' WHERE name = 'key';
SELECT name, expires_at = created_at + interval '20 days' AS told FROM tokenauth.issue('key', 'user:alice', 'new');
UPDATE tokenauth.kind SET max_active_per_owner = NULL, max_age = '60 days' WHERE name = 'key';
SELECT tokenauth.revoke(id) AS was_alive, count(*) FROM held WHERE age = '70 days' GROUP BY 1;
BEGIN;
SELECT tokenauth.revoke_all('user:alice') = (SELECT count(*) FROM tokenauth.tokens WHERE status = 'active') AS agrees;
ROLLBACK;
BEGIN;
SELECT tokenauth.revoke_all(kind => 'key') = (SELECT count(*) FROM tokenauth.tokens WHERE status = 'active') AS agrees;
ROLLBACK;

-- an edit moves expires_at; it does not make a token younger. A successor has its age anew
SELECT token AS old, id AS old_id FROM tokenauth.issue('key', 'user:alice', 'old') \gset
UPDATE tokenauth.token SET created_at = now() - interval '70 days' WHERE id = :'old_id';
SELECT status FROM tokenauth.edit(:'old_id', expires_in => '90 days');
SELECT verdict FROM tokenauth.verify(:'old');
DO $$ BEGIN PERFORM tokenauth.rotate(id) FROM tokenauth.tokens WHERE name = 'old'; EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE 'it is expired'; END $$;
UPDATE tokenauth.token SET created_at = now() - interval '50 days' WHERE id = :'old_id';
SELECT expires_at = created_at + interval '60 days' AS told FROM tokenauth.rotate(:'old_id', grace => '1 day');
SELECT name, status, expires_at = created_at + interval '60 days' AS by_age FROM tokenauth.tokens WHERE name = 'old' ORDER BY created_at;

-- purge() removes what has ended long ago, by age too
UPDATE tokenauth.token SET created_at = now() - interval '600 days', expires_at = NULL WHERE id = (SELECT id FROM held WHERE n = 1);
SELECT tokenauth.purge('1 year') > 0 AS removed;
SELECT count(*) FROM tokenauth.tokens t JOIN held h ON h.id = t.id WHERE h.n = 1;

-- under an identity whose token has become too old nothing is handed out any more
SELECT token AS acting, id AS acting_id FROM tokenauth.issue('key', 'user:alice', 'acting') \gset
BEGIN;
SELECT tokenauth.authenticate(:'acting');
UPDATE tokenauth.token SET created_at = now() - interval '61 days' WHERE id = :'acting_id';
SELECT tokenauth.list();
\echo :SQLSTATE
ROLLBACK;

-- lengths that are none, or beyond every calendar, are refused
UPDATE tokenauth.kind SET max_age = '0' WHERE name = 'key';
\echo :SQLSTATE
UPDATE tokenauth.kind SET max_age = '1001 years' WHERE name = 'key';
\echo :SQLSTATE
UPDATE tokenauth.kind SET max_age = '1 month -1 day' WHERE name = 'key';
\echo :SQLSTATE
UPDATE tokenauth.kind SET max_age = '1000 years' WHERE name = 'key';
SELECT verdict, expires_at IS NULL AS never FROM tokenauth.verify(:'acting');

-- the change is an event
SELECT before ->> 'max_age' AS before, after ->> 'max_age' AS after FROM tokenauth.events WHERE event = 'kind.changed' AND kind = 'key' ORDER BY id DESC LIMIT 1;
