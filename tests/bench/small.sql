-- Ten thousand tokens of a thousand owners, and the order in which they are presented. Run by scripts/bench.

CREATE EXTENSION tokenauth;
CREATE SCHEMA bench;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('bench', 'bench_');
SELECT count(tokenauth.put_principal('user:' || n, permissions => '{devices:read,reports:*,sites:read}'))
FROM generate_series(1, 1000) n;
CREATE UNLOGGED TABLE bench.shuffled AS
SELECT i.token FROM generate_series(1, 10000) n, LATERAL tokenauth.issue('bench', 'user:' || (n % 1000 + 1)) i;
CREATE TABLE bench.round (n integer);
INSERT INTO bench.round VALUES (0);

VACUUM (ANALYZE);
CHECKPOINT;
