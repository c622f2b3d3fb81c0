-- :tokens tokens that break what their kind will demand, of which 10,000 are presented. Run by scripts/bench-enforce.

CREATE EXTENSION tokenauth;
CREATE SCHEMA bench;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('bench', 'bench_');
SELECT tokenauth.put_principal('user:' || n, '{devices:*}') FROM generate_series(1, 1000) n;
CREATE TABLE bench.hot AS
SELECT token FROM generate_series(1, 10000) n, LATERAL tokenauth.issue('bench', 'user:' || n % 1000 + 1, scopes => '{devices:write}');
SELECT count(tokenauth.issue('bench', 'user:' || n % 1000 + 1, scopes => '{devices:write}')) FROM generate_series(1, :tokens - 10000) n;
UPDATE tokenauth.token SET created_at = created_at - interval '95 days';
VACUUM (ANALYZE);
CHECKPOINT;
