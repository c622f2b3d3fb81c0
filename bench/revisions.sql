-- Ten thousand tokens of a thousand owners. Run by scripts/bench-revisions.

CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix, default_lifetime) VALUES ('bench', 'bench_', '90 days');
SELECT count(tokenauth.put_principal('user:' || n, permissions => '{devices:*,reports:read}')) FROM generate_series(1, 1000) n;
CREATE SCHEMA bench;
CREATE TABLE bench.token AS
SELECT n, i.id, i.token FROM generate_series(1, 10000) n,
       LATERAL tokenauth.issue('bench', 'user:' || n % 1000 + 1, scopes => '{devices:read}') i;
-- The same token over and over.
CREATE TABLE bench.one AS SELECT token FROM bench.token, generate_series(1, 100000) WHERE n = 1;
VACUUM ANALYZE;
