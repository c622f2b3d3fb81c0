-- What the planner and the executor are told of each function: volatility, parallel safety, strictness, security and search path.
-- Whatever reads or changes tokens is VOLATILE and PARALLEL UNSAFE: a cached answer would outlive a revocation.
CREATE EXTENSION tokenauth;
\pset null (null)
SELECT proname AS function,
       CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
       CASE proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
       proisstrict AS strict, prosecdef AS definer, array_to_string(proconfig, ' ') AS settings, proleakproof AS leakproof,
       proretset AS set, pg_get_function_result(oid) AS result
  FROM pg_proc
 WHERE pronamespace = 'tokenauth'::regnamespace
 ORDER BY proname;

-- none is a definer, and none has a setting: each asks who calls, and switches itself
SELECT proname FROM pg_proc
 WHERE pronamespace = 'tokenauth'::regnamespace
   AND proconfig IS DISTINCT FROM CASE WHEN prosecdef THEN ARRAY['search_path=pg_catalog, pg_temp'] END
 ORDER BY proname;

-- all are of this library, none is text that a caller's names could capture
SELECT l.lanname, p.probin, count(*) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 'tokenauth'::regnamespace GROUP BY l.lanname, p.probin;

-- arguments are called what a user would say, with their defaults
SELECT proname AS function, pg_get_function_arguments(oid) AS arguments
  FROM pg_proc
 WHERE pronamespace = 'tokenauth'::regnamespace
 ORDER BY proname;

-- the composites
SELECT c.relname AS type, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS fields
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind = 'c' AND a.attnum > 0
 GROUP BY c.relname ORDER BY c.relname;

-- in FROM with constant arguments a verification runs once, whatever else is asked
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token FROM tokenauth.issue('api', 'user:alice') \gset
SELECT count(DISTINCT v.correlation_id) FROM tokenauth.verify(:'token') v, generate_series(1, 3);
-- … and once for each row where it is written so
SELECT count(DISTINCT correlation_id)
  FROM (SELECT (tokenauth.verify(:'token')).correlation_id FROM generate_series(1, 3)) v;

-- no parallel plan has it in a worker
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE big AS SELECT n FROM generate_series(1, 10000) n;
ANALYZE big;
EXPLAIN (COSTS off) SELECT count(*) FROM big WHERE (tokenauth.verify('x')).ok;
EXPLAIN (COSTS off) SELECT count(*) FROM big WHERE tokenauth.contains_token(n::text);
-- … but by a function that is wrongly declared safe, or restricted: an error, unless the answer is remembered
\set SHOW_CONTEXT never
SET tokenauth.cache_size = 0;
CREATE FUNCTION wrongly_safe(token text) RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN RETURN (tokenauth.verify(token)).verdict; END $$;
CREATE FUNCTION wrongly_restricted(token text) RETURNS text LANGUAGE plpgsql PARALLEL RESTRICTED AS $$ BEGIN RETURN (tokenauth.verify(token)).verdict; END $$;
SELECT wrongly_safe(:'token'), wrongly_restricted(:'token');
SELECT name AS parallel_mode FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
SET :parallel_mode = on;
SELECT wrongly_safe(:'token');
\echo :SQLSTATE
RESET :parallel_mode;
EXPLAIN (COSTS off) SELECT wrongly_restricted(:'token') FROM big WHERE n < 3;
SELECT wrongly_restricted(:'token') FROM big WHERE n < 3;
\echo :SQLSTATE
