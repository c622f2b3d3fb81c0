-- Texts to present: of :count ordinary tokens, and of children. Run by scripts/bench-derived.

CREATE EXTENSION tokenauth;
CREATE SCHEMA bench;
INSERT INTO tokenauth.kind (name, prefix, derivable, max_derived_lifetime) VALUES ('bench', 'bench_', true, '1 day');
SELECT tokenauth.put_principal('user:' || n, '{devices:*}') FROM generate_series(1, 100) n;

-- Children of as many parents, none of which is presented itself; with all that may make one longer; and of one parent.
CREATE TABLE bench.ordinary AS
SELECT n, token FROM generate_series(1, :count) n, LATERAL tokenauth.issue('bench', 'user:' || n % 100 + 1);
CREATE TABLE bench.parent AS
SELECT n, token FROM generate_series(1, :count) n, LATERAL tokenauth.issue('bench', 'user:' || n % 100 + 1);
CREATE TABLE bench.child AS SELECT n, tokenauth.derive(token, '6 hours') AS token FROM bench.parent;
CREATE TABLE bench.narrow AS
SELECT n, tokenauth.derive(token, '6 hours', scopes => '{devices:read}', label => 'job ' || n) AS token FROM bench.parent;
CREATE TABLE bench.sibling AS
SELECT c.n, tokenauth.derive(p.token, '6 hours', label => 'job ' || c.n) AS token
  FROM generate_series(1, :count) c (n), (SELECT token FROM bench.parent WHERE n = 1) p;

-- Forged ones of parents that exist: the signature is of another text.
CREATE TABLE bench.forged AS
SELECT c.n, left(c.token, -86) || right(o.token, 86) AS token FROM bench.child c JOIN bench.child o ON o.n = c.n % :count + 1;
-- … and of none.
CREATE TABLE bench.stray AS SELECT n, 'bench_' || lpad(n::text, 11, '0') || right(token, -17) AS token FROM bench.child;
VACUUM (ANALYZE) bench.ordinary, bench.parent, bench.child, bench.narrow, bench.sibling, bench.forged, bench.stray;
CHECKPOINT;
