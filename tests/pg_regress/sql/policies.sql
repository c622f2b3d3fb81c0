-- What a policy that asks for the identity costs: written as (SELECT …) it is asked once per query, before the first row, and is
-- an index condition where there is an index; parallel workers get the answer from their leader. Bare, it is asked for each row.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_reader;
RESET client_min_messages;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:u7', '{devices:read}', '{"site": ["nyc"]}');
SELECT token FROM tokenauth.issue('api', 'user:u7') \gset
CREATE TABLE device (n integer, owner_id text, site text);
INSERT INTO device SELECT n, 'u' || n % 100, CASE n % 3 WHEN 0 THEN 'nyc' ELSE 'lon' END FROM generate_series(1, 10000) n;
ANALYZE device;
CREATE ROLE regress_tokenauth_reader;
SELECT tokenauth.grant_access('regress_tokenauth_reader', 'identity');
GRANT SELECT ON device TO regress_tokenauth_reader;
ALTER TABLE device ENABLE ROW LEVEL SECURITY;

-- the plan of a query, without the words by which versions of PostgreSQL differ
CREATE FUNCTION plan(query text, options text DEFAULT 'COSTS off') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE format('EXPLAIN (%s) %s', options, query) LOOP
        CONTINUE WHEN line ~ 'Params Evaluated:';
        line := regexp_replace(line, ' \(returns \$\d+\)', '');
        line := regexp_replace(line, '\$\d+|\(InitPlan \d+\)\.col\d+', '?', 'g');
        RETURN NEXT regexp_replace(line, '(rows=\d+)\.00', '\1');
    END LOOP;
END $$;

-- wrapped: the identity is asked for once (loops=1) for ten thousand rows
CREATE POLICY own ON device USING (owner_id = (SELECT tokenauth.current_owner_id()) AND (SELECT tokenauth.has_scope('devices:read')));
BEGIN;
SELECT tokenauth.authenticate(:'token');
SET LOCAL ROLE regress_tokenauth_reader;
SELECT plan('SELECT n FROM device', 'ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS off');
COMMIT;
-- … for a list of sites as well
ALTER POLICY own ON device USING (site = ANY ((SELECT tokenauth.data_scope('site'))::text[]));
BEGIN;
SELECT tokenauth.authenticate(:'token');
SET LOCAL ROLE regress_tokenauth_reader;
SELECT plan('SELECT n FROM device', 'ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS off');
COMMIT;

-- parallel workers get the answer from their leader
ALTER POLICY own ON device USING (owner_id = (SELECT tokenauth.current_owner_id()));
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
BEGIN;
SELECT tokenauth.authenticate(:'token');
SET LOCAL ROLE regress_tokenauth_reader;
SELECT plan('SELECT count(*) FROM device');
SELECT count(*) FROM device;
-- … also where the leader leaves all the work to them
SET LOCAL parallel_leader_participation = off;
SELECT count(*) FROM device;
COMMIT;
-- … and bare, the query is not run in parallel, since workers do not know who asks
ALTER POLICY own ON device USING (owner_id = tokenauth.current_owner_id());
BEGIN;
SELECT tokenauth.authenticate(:'token');
SET LOCAL ROLE regress_tokenauth_reader;
SELECT plan('SELECT count(*) FROM device');
SELECT count(*) FROM device;
COMMIT;

-- an index serves it, wrapped or bare
CREATE INDEX ON device (owner_id);
ANALYZE device;
ALTER POLICY own ON device USING (owner_id = (SELECT tokenauth.current_owner_id()));
BEGIN;
SELECT tokenauth.authenticate(:'token');
SET LOCAL ROLE regress_tokenauth_reader;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT plan('SELECT n FROM device');
RESET ROLE;
ALTER POLICY own ON device USING (owner_id = tokenauth.current_owner_id());
SET LOCAL ROLE regress_tokenauth_reader;
SELECT plan('SELECT n FROM device');
SELECT count(*) FROM device;
COMMIT;

-- a view of the table's owner, a common table expression and a function that is inlined show each its own rows
ALTER POLICY own ON device USING (owner_id = (SELECT tokenauth.current_owner_id()));
SELECT tokenauth.put_principal('user:u8', '{devices:read}');
SELECT token AS other FROM tokenauth.issue('api', 'user:u8') \gset
CREATE VIEW seen WITH (security_invoker = true) AS SELECT n, owner_id FROM device;
CREATE FUNCTION mine() RETURNS SETOF device LANGUAGE sql STABLE AS 'SELECT * FROM device';
GRANT SELECT ON seen TO regress_tokenauth_reader;
PREPARE each_its_own AS
WITH c AS MATERIALIZED (SELECT * FROM device)
SELECT (SELECT string_agg(DISTINCT owner_id, ',') FROM seen) AS view, (SELECT string_agg(DISTINCT owner_id, ',') FROM mine()) AS function,
       (SELECT string_agg(DISTINCT owner_id, ',') FROM c) AS cte, tokenauth.current_owner() AS owner;
SET plan_cache_mode = force_generic_plan;
BEGIN;
SELECT tokenauth.authenticate(:'token');
SET LOCAL ROLE regress_tokenauth_reader;
EXECUTE each_its_own;
COMMIT;
BEGIN;
SELECT tokenauth.authenticate(:'other');
SET LOCAL ROLE regress_tokenauth_reader;
EXECUTE each_its_own;
COMMIT;
SET ROLE regress_tokenauth_reader;
EXECUTE each_its_own;
RESET ROLE;

DROP OWNED BY regress_tokenauth_reader;
DROP ROLE regress_tokenauth_reader;
