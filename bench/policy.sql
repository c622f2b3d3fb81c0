-- Tables of :rows rows under row security, by the identity for one role and by a constant for another. Run by
-- scripts/bench-policy. Each of the 10,000 owners has the same number of rows.

CREATE EXTENSION tokenauth;
CREATE SCHEMA bench;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('bench', 'bench_');
SELECT tokenauth.put_principal('user:owner-42', permissions => '{devices:read}');

-- bench.scan has no index on the owner, so queries read every row; bench.device has one.
CREATE TABLE bench.scan (n integer PRIMARY KEY, owner_id text NOT NULL, name text NOT NULL, seen_at timestamptz NOT NULL);
INSERT INTO bench.scan
SELECT n, 'owner-' || n % 10000, 'device ' || n, timestamptz '2026-01-01' + n * interval '1 second' FROM generate_series(1, :rows) n;
CREATE TABLE bench.device (LIKE bench.scan INCLUDING ALL);
INSERT INTO bench.device SELECT * FROM bench.scan;
CREATE INDEX ON bench.device (owner_id);

CREATE ROLE bench_identity LOGIN;
CREATE ROLE bench_constant LOGIN;
SELECT tokenauth.grant_access(role, 'verify') FROM unnest('{bench_identity,bench_constant}'::regrole[]) AS role;
GRANT USAGE ON SCHEMA bench TO PUBLIC;
GRANT SELECT ON bench.scan, bench.device TO PUBLIC;
ALTER TABLE bench.scan ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.device ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_identity ON bench.scan TO bench_identity USING (owner_id = (SELECT tokenauth.current_owner_id()));
CREATE POLICY by_identity ON bench.device TO bench_identity USING (owner_id = (SELECT tokenauth.current_owner_id()));
CREATE POLICY by_constant ON bench.scan TO bench_constant USING (owner_id = 'owner-42');
CREATE POLICY by_constant ON bench.device TO bench_constant USING (owner_id = 'owner-42');
VACUUM (ANALYZE) bench.scan, bench.device;
CHECKPOINT;
