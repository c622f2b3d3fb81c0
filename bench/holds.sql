-- :tokens tokens of a thousand owners and as many of one, all under a rate. Run by scripts/bench-holds.

CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix, rate_limit, rate_interval) VALUES ('bench', 'bench_', 1000000, '1 second');
SELECT count(tokenauth.put_principal('user:' || n, permissions => '{devices:*,reports:read}')) FROM generate_series(1, 1000) n;
CREATE TABLE issued AS
SELECT n, i.id, i.token FROM generate_series(1, :tokens) n,
       LATERAL tokenauth.issue('bench', 'user:' || n % 1000 + 1, scopes => '{devices:read}') i;
CREATE UNIQUE INDEX ON issued (n);
SELECT tokenauth.put_principal('user:many');
SELECT count(i.id) FROM generate_series(1, :tokens) n, LATERAL tokenauth.issue('bench', 'user:many') i;
-- Which is revoked next: none of the hot ones.
CREATE SEQUENCE next START 101;
VACUUM ANALYZE;
