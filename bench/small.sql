-- Ten thousand tokens of a thousand owners, in random order. Run by scripts/bench.

CREATE EXTENSION tokenauth;
CREATE SCHEMA bench;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('bench', 'bench_');
SELECT count(tokenauth.put_principal('user:' || n, permissions => '{devices:read,reports:*,sites:read}'))
FROM generate_series(1, 1000) n;
CREATE TEMPORARY TABLE issued AS
SELECT i.id, i.token FROM generate_series(1, 10000) n, LATERAL tokenauth.issue('bench', 'user:' || (n % 1000 + 1)) i;
-- The settings of the session make plans call for each token; this statement calls nothing.
SET enable_hashjoin = on;
CREATE UNLOGGED TABLE bench.presented AS
SELECT i.token, t.lookup FROM issued i JOIN tokenauth.token t USING (id) ORDER BY random();

VACUUM (ANALYZE);
CHECKPOINT;
