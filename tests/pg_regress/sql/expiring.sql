-- expiring() and idle() show the tokens that somebody ought to look at, as rows of the view tokens; dead ones are nobody's business.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('patient', 'patient_', 'suspend');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.put_principal('user:bob', '{devices:read}');
CREATE TABLE held AS
SELECT i.name, i.id, i.token
  FROM (VALUES ('today', interval '1 hour'), ('this week', '5 days'), ('this year', '200 days'), ('never', NULL), ('gone', '1 millisecond'),
               ('revoked', '1 hour'), ('disabled', '2 hours')) AS wanted (name, expires_in),
       LATERAL tokenauth.issue('api', 'user:alice', wanted.name, expires_in => wanted.expires_in) i;
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('patient', 'user:bob', 'suspended', expires_in => '3 hours');
INSERT INTO held SELECT name, id, token FROM tokenauth.issue('api', 'user:bob', 'died with its owner', expires_in => '3 hours');
INSERT INTO held SELECT name, id, token
  FROM tokenauth.issue('api', 'user:alice', 'not yet valid', expires_in => '4 hours', not_before => now() + interval '1 hour');
SELECT tokenauth.revoke(id) FROM held WHERE name = 'revoked';
SELECT tokenauth.disable(id) FROM held WHERE name = 'disabled';
SELECT tokenauth.deactivate('user:bob');
SELECT pg_sleep(0.01);

-- the first to expire first; what can still come to work counts, what is dead does not
SELECT name, status, owner FROM tokenauth.expiring('7 days');
SELECT name FROM tokenauth.expiring('90 minutes');
SELECT name FROM tokenauth.expiring('1 year');
SELECT count(*) FROM tokenauth.expiring('0');
-- … nothing lies beyond the end of the calendar
SELECT count(*) FROM tokenauth.expiring('9000 years');
SELECT count(*) FROM tokenauth.expiring('178000000 years');

-- … and whatever has expired, or expires later, is not even passed over
INSERT INTO tokenauth.token (lookup, owner_epoch, id, created_at, dies_with_owner, digest, algorithm, kind, owner, scopes, data_scopes, created_by, expires_at)
SELECT n, 0, gen_random_uuid(), now() - interval '100 days', true, sha256(n::text::bytea), 'sha256', 'api', 'user:alice', 'devices:read', '{}', 'role:importer',
       now() + CASE WHEN n % 2 = 0 THEN interval '500 days' ELSE interval '-1 day' END
  FROM generate_series(1, 20000) n;
ANALYZE tokenauth.token;
DO $$
DECLARE
    plan jsonb;
    fewest bigint;
BEGIN
    -- The least of three, since autovacuum may just then have the statement planned anew.
    FOR attempt IN 1 .. 3 LOOP
        EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM tokenauth.expiring(''7 days'')' INTO plan;
        fewest := least(fewest, (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint);
    END LOOP;
    IF fewest > 200 THEN
        RAISE EXCEPTION 'read % blocks', fewest;
    END IF;
END
$$;
DELETE FROM tokenauth.token WHERE created_by = 'role:importer';

-- rows are those of the view
SELECT count(*) FROM (SELECT * FROM tokenauth.expiring('1 year') EXCEPT SELECT * FROM tokenauth.tokens) others;

-- idle: nothing was issued an hour ago
SELECT count(*) FROM tokenauth.idle('1 hour');
-- … a token that is older than that and was never used, was used long ago, or just now
UPDATE tokenauth.token SET created_at = now() - interval '100 days';
UPDATE tokenauth.usage SET last_used_at = now() - interval '40 days' FROM held WHERE token_id = id AND held.name = 'this week';
UPDATE tokenauth.usage SET last_used_at = now() - interval '99 days' FROM held WHERE token_id = id AND held.name = 'today';
SELECT verdict FROM held, LATERAL tokenauth.verify(token) WHERE held.name = 'this year';
SELECT name, last_used_at IS NULL AS never_used FROM tokenauth.idle('90 days') ORDER BY name;
SELECT name FROM tokenauth.idle('30 days') WHERE last_used_at IS NOT NULL;
SELECT count(*) FROM tokenauth.idle('101 days');
-- … a denial is no use
SELECT verdict FROM held, LATERAL tokenauth.verify(token, '{devices:write}') WHERE held.name = 'never';
SELECT name FROM tokenauth.idle('90 days') WHERE name = 'never';
-- … nothing lies before the beginning of the calendar
SELECT count(*) FROM tokenauth.idle('2000 years');
SELECT count(*) FROM tokenauth.idle('178000000 years');

-- neither NULL nor a length of time less than nothing
SELECT tokenauth.expiring(NULL);
\echo :SQLSTATE
SELECT tokenauth.expiring('-1 day');
\echo :SQLSTATE
SELECT tokenauth.idle(NULL);
\echo :SQLSTATE
SELECT tokenauth.idle('1 day -25 hours');
\echo :SQLSTATE

-- they answer in a read-only transaction as well
BEGIN READ ONLY;
SELECT count(*) FROM tokenauth.expiring('7 days');
SELECT count(*) FROM tokenauth.idle('90 days');
COMMIT;
