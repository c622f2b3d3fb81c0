-- :tokens tokens, a tenth as many owners, one token in twenty revoked, all used. Up to 100,000 of them are real and
-- scattered evenly among the others, which nobody presents, so that one statement inserts them, without issue().
-- Run by scripts/bench-growth.

CREATE EXTENSION tokenauth;
CREATE SCHEMA bench;
INSERT INTO tokenauth.kind (name, prefix, manage_permission) VALUES ('bench', 'bench_', 'tokens:manage');
SELECT count(tokenauth.put_principal('user:' || n, permissions => '{devices:read,reports:*,sites:read}'))
FROM generate_series(1, :tokens / 10) n;
SELECT tokenauth.put_principal('user:admin', permissions => '{tokens:manage}');

CREATE TEMPORARY TABLE issued AS
SELECT n, i.id, i.token
FROM generate_series(1, least(:tokens, 100000)) n,
     LATERAL tokenauth.issue('bench', 'user:' || (n % (:tokens / 10) + 1), expires_at => now() + interval '1 year') i;
-- The settings of the session make plans call for each token; these statements call nothing.
SET enable_hashjoin = on;
CREATE TEMPORARY TABLE kept AS
SELECT i.n * greatest(:tokens / 100000, 1) AS place, t.*, i.token FROM tokenauth.token t JOIN issued i USING (id);
TRUNCATE tokenauth.token;

-- Ids as issue() makes them, by time, with what is random in them computed; who is kept has a place and keeps the rest.
INSERT INTO tokenauth.token
    (id, lookup, digest, algorithm, hint, kind, owner, owner_epoch, dies_with_owner, crowded, name, scopes, data_scopes, created_at, expires_at,
     revoked_at, created_by)
SELECT (lpad(to_hex((extract(epoch FROM t.at) * 1000)::bigint), 12, '0') || '7' || substr(t.mixed, 1, 3) || '8' || substr(t.mixed, 4, 15))::uuid,
       coalesce(k.lookup, ('x' || left(t.mixed, 16))::bit(64)::bigint), coalesce(k.digest, sha256(t.mixed::bytea)), 'sha256',
       coalesce(k.hint, 'bench_' || left(t.mixed, 8) || '…f9g0'), 'bench',
       coalesce(k.owner, 'user:' || (hashint8(t.n) & 2147483647) % (:tokens / 10) + 1), 0, true, false, 'token ' || t.n,
       'devices:read sites:read', '{}', t.at, t.at + interval '1 year' + :tokens * interval '1 second',
       CASE WHEN k.id IS NULL AND t.n % 20 = 1 THEN t.at + interval '1 hour' END, 'role:bench'
FROM (SELECT n, md5('bench' || n) AS mixed, now() - (:tokens - n) * interval '1 second' AS at FROM generate_series(1, :tokens) n) t
LEFT JOIN kept k ON k.place = t.n
ON CONFLICT (lookup) DO NOTHING;
INSERT INTO tokenauth.usage (token_id, last_used_at, request_count, first_used_at)
SELECT id, now(), 3, created_at FROM tokenauth.token ORDER BY id;

CREATE UNLOGGED TABLE bench.presented AS
SELECT row_number() OVER (ORDER BY random())::integer AS n, token, lookup FROM kept;
ALTER TABLE bench.presented ADD PRIMARY KEY (n);
VACUUM (ANALYZE);
CHECKPOINT;
