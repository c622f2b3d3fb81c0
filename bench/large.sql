-- Real tokens, scattered evenly over a table of :tokens. The others are only in the way and need no token text, so one
-- statement inserts them, without issue(). Run by scripts/bench after small.sql, with :rounds set too.

CREATE TEMPORARY TABLE scattered AS
SELECT i.id, i.token, (n % :rounds + 1)::integer AS round
FROM generate_series(1, :rounds * 100000) n, LATERAL tokenauth.issue('bench', 'user:' || (n % 1000 + 1)) i;

-- The settings of the session make plans call for each token; these statements call nothing.
SET enable_hashjoin = on;
CREATE TEMPORARY TABLE kept AS
SELECT row_number() OVER (ORDER BY random()) * (:tokens / (:rounds * 100000)) AS place, t.*, s.token, s.round
FROM tokenauth.token t JOIN scattered s USING (id);
TRUNCATE tokenauth.token;
INSERT INTO tokenauth.token
    (id, lookup, digest, algorithm, hint, kind, owner, owner_epoch, dies_with_owner, scopes, data_scopes, created_at, created_by)
SELECT coalesce(k.id, gen_random_uuid()), coalesce(k.lookup, ('x' || left(md5('bench' || n), 16))::bit(64)::bigint),
       coalesce(k.digest, sha256(n::text::bytea)), 'sha256', coalesce(k.hint, 'bench_a1b2c3d4…f9g0'), 'bench',
       coalesce(k.owner, 'user:' || n % 1000 + 1), coalesce(k.owner_epoch, 0), true,
       coalesce(k.scopes, 'devices:read sites:read'), '{}', coalesce(k.created_at, now()), 'bench'
FROM generate_series(1, :tokens) n LEFT JOIN kept k ON k.place = n
ON CONFLICT (lookup) DO NOTHING;

DROP TABLE bench.presented;
CREATE UNLOGGED TABLE bench.presented AS SELECT token, lookup, round FROM kept ORDER BY random();
VACUUM (ANALYZE);
CHECKPOINT;
