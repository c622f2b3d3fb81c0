-- The view metrics is for monitoring systems, which ask every few seconds: what is shown here is so where the library is not
-- preloaded; tests/cluster has the rest, and scrapes it.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_monitoring, regress_tokenauth_verifier;
RESET client_min_messages;

INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice');
SELECT count(i.id) FROM unnest('{1,1,30,100,300}'::integer[]) AS hours, LATERAL tokenauth.issue('api', 'user:alice', expires_in => make_interval(hours => hours)) i;

-- as long as nothing was vacuumed or analyzed, nothing is told of rows; what is counted in shared memory is missing
SELECT name, labels, value FROM tokenauth.metrics
 WHERE name NOT LIKE '%\_info' AND name NOT LIKE 'tokenauth\_table\_%' AND name NOT LIKE '%\_total' ORDER BY name COLLATE "C", labels;
SELECT name, labels ? 'version' AS has_version, value FROM tokenauth.metrics WHERE name LIKE '%\_info' ORDER BY name COLLATE "C";
SELECT name, value >= 0 AS counts FROM tokenauth.metrics WHERE name LIKE '%\_total' ORDER BY name COLLATE "C";

-- rows and bytes are estimates, of the last VACUUM or ANALYZE
SELECT tokenauth.revoke(id) FROM tokenauth.tokens ORDER BY expires_at LIMIT 1;
VACUUM ANALYZE tokenauth.token;
SELECT name, labels, value > 0 AS known, CASE WHEN name = 'tokenauth_table_rows' THEN value END AS rows
  FROM tokenauth.metrics WHERE labels = '{"table": "token"}' ORDER BY name COLLATE "C";
-- what expires is counted now, and dead tokens do not expire
SELECT labels ->> 'within' AS within, value FROM tokenauth.metrics WHERE name = 'tokenauth_tokens_expiring' ORDER BY within;

-- findings, by area
CREATE TABLE users (id integer PRIMARY KEY, is_active boolean);
SELECT tokenauth.bind_principals('users', 'customer', 'id::text', active => 'is_active');
ALTER TABLE users DISABLE TRIGGER tokenauth_principals_update;
SELECT labels ->> 'area' AS area, value AS findings FROM tokenauth.metrics WHERE name = 'tokenauth_doctor_findings' ORDER BY area;

-- a query by name does what it needs, and nothing else
SET track_functions = 'all';
BEGIN;
SELECT value FROM tokenauth.metrics WHERE name = 'tokenauth_preloaded';
SELECT funcname FROM pg_stat_xact_user_functions WHERE schemaname = 'tokenauth' ORDER BY funcname;
ROLLBACK;
BEGIN;
SELECT count(*) FROM tokenauth.metrics WHERE name = 'tokenauth_doctor_findings';
SELECT funcname FROM pg_stat_xact_user_functions WHERE schemaname = 'tokenauth' ORDER BY funcname;
ROLLBACK;
RESET track_functions;

-- for whoever may observe, in a read-only transaction too
CREATE ROLE regress_tokenauth_monitoring;
CREATE ROLE regress_tokenauth_verifier;
SELECT tokenauth.grant_access('regress_tokenauth_monitoring', 'observe');
SELECT tokenauth.grant_access('regress_tokenauth_verifier', 'verify');
SET ROLE regress_tokenauth_monitoring;
BEGIN READ ONLY;
SELECT count(DISTINCT name) FROM tokenauth.metrics;
COMMIT;
-- … and for nobody else
SET ROLE regress_tokenauth_verifier;
SELECT count(*) FROM tokenauth.metrics;
\echo :SQLSTATE
SELECT * FROM tokenauth.server_metrics();
\echo :SQLSTATE
SELECT * FROM tokenauth.count_findings();
\echo :SQLSTATE
SELECT * FROM tokenauth.count_expiring();
\echo :SQLSTATE
RESET ROLE;
DROP OWNED BY regress_tokenauth_monitoring, regress_tokenauth_verifier;
DROP ROLE regress_tokenauth_monitoring, regress_tokenauth_verifier;
