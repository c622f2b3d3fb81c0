-- covers() is the wildcard rule for handlers that hold the scopes of a verification: whether a list grants all of a scope.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)

SELECT tokenauth.covers('{devices:read}', 'devices:read') AS itself, tokenauth.covers('{devices:*}', 'devices:read') AS wildcard,
       tokenauth.covers('{devices:*}', 'devices:a:b:c') AS last_covers_more, tokenauth.covers('{*:read}', 'devices:a:read') AS other_covers_one,
       tokenauth.covers('{devices:read,devices:write}', 'devices:*') AS pattern_in_part, tokenauth.covers('{*}', 'devices:*') AS pattern_whole,
       tokenauth.covers('{}', 'devices:read') AS nothing;
-- it is STRICT
SELECT tokenauth.covers(NULL, 'devices:read'), tokenauth.covers('{devices:read}', NULL);
-- it is IMMUTABLE, so constraints and indexes may use it
CREATE TABLE job (scopes text[] CHECK (tokenauth.covers(scopes, 'jobs:run')));
INSERT INTO job VALUES ('{jobs:*}');
INSERT INTO job VALUES ('{jobs:read}');
\echo :SQLSTATE

-- what is malformed is refused, on either side
SELECT tokenauth.covers('{devices:read}', 'devices read');
\echo :SQLSTATE
SELECT tokenauth.covers('{devices:read,devices::}', 'devices:read');
\echo :SQLSTATE
SELECT tokenauth.covers('{{devices:read}}', 'devices:read');
\echo :SQLSTATE
SELECT tokenauth.covers('{devices:read,NULL}', 'devices:read');
\echo :SQLSTATE
SELECT tokenauth.covers(array_fill('a'::text, ARRAY[257]), 'a');
\echo :SQLSTATE
SELECT tokenauth.covers(array_fill('a'::text, ARRAY[100000]), 'a');
\echo :SQLSTATE

-- its answer is that of verification: for each list of two patterns, and each pattern of up to three segments
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
SELECT tokenauth.put_principal('user:alice', '{*}');
CREATE TABLE pattern AS
    WITH segment (s) AS (VALUES ('a'), ('b'), ('*'))
    SELECT one.s AS pattern FROM segment one
    UNION ALL SELECT concat_ws(':', one.s, two.s) FROM segment one, segment two
    UNION ALL SELECT concat_ws(':', one.s, two.s, three.s) FROM segment one, segment two, segment three;
CREATE TABLE list AS
    SELECT t.token, ARRAY[one.pattern, two.pattern] AS scopes
      FROM pattern one JOIN pattern two ON one.pattern < two.pattern,
           LATERAL tokenauth.issue('api', 'user:alice', scopes => ARRAY[one.pattern, two.pattern]) t
     WHERE hashtext(one.pattern || two.pattern) % 2 = 0;
SELECT count(*) > 10000 AS many, count(*) FILTER (WHERE c.covers <> (v.verdict = 'valid')) AS differ,
       count(*) FILTER (WHERE v.verdict NOT IN ('valid', 'insufficient_scope')) AS neither,
       count(DISTINCT v.verdict) AS verdicts
  FROM list, pattern, LATERAL tokenauth.verify(list.token, ARRAY[pattern.pattern]) v, LATERAL tokenauth.covers(list.scopes, pattern.pattern) c (covers);
