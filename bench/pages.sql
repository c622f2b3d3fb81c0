-- :tokens tokens, of which one owner has half, up to a million, one owner has a single one, and the others some ten each.
-- One in twenty is revoked, of everybody's as of one owner's; for twenty owners there is one who has left. Nobody presents
-- them, so they need no text, and one statement inserts them, without issue().
-- Run by scripts/bench-pages.

CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix, manage_permission) VALUES ('bench', 'bench_', 'tokens:manage'), ('other', 'other_', NULL);
INSERT INTO tokenauth.principal (principal, permissions)
SELECT 'user:' || n, '{devices:read,sites:read}' FROM generate_series(1, greatest(:tokens / 20, 1)) n;
INSERT INTO tokenauth.principal (principal, active) SELECT 'user:' || n * 20 || 'x', false FROM generate_series(1, :tokens / 400) n;
SELECT count(tokenauth.put_principal(principal, permissions)) FROM (VALUES
    ('user:admin', '{tokens:manage}'::text[]), ('user:many', '{devices:read}'), ('user:one', '{devices:read}'), ('user:manager', '{}')) p (principal, permissions);
-- Manages ten organisations.
SELECT count(tokenauth.put_principal('user:' || n)), count(tokenauth.add_member('user:' || n, 'user:manager', '{tokens:manage}'))
FROM generate_series(1, 10) n;

-- Ids as issue() makes them, by time, with what is random in them computed.
INSERT INTO tokenauth.token
    (id, lookup, digest, algorithm, hint, kind, owner, owner_epoch, dies_with_owner, crowded, name, scopes, data_scopes, created_at, expires_at,
     revoked_at, created_by)
SELECT (lpad(to_hex((extract(epoch FROM t.at) * 1000)::bigint), 12, '0') || '7' || substr(t.mixed, 1, 3) || '8' || substr(t.mixed, 4, 15))::uuid,
       ('x' || left(t.mixed, 16))::bit(64)::bigint, sha256(t.mixed::bytea), 'sha256', 'bench_' || left(t.mixed, 8) || '…f9g0', 'bench', t.owner, 0, true, t.owner = 'user:many',
       'token ' || t.n, 'devices:read sites:read', '{}', t.at, t.at + interval '1 year', CASE WHEN t.n % 40 < 2 THEN t.at + interval '1 hour' END,
       'role:bench'
FROM (SELECT n, md5('bench' || n) AS mixed, now() - (:tokens - n) * interval '1 second' AS at,
             CASE WHEN n = :tokens / 2 + 1 THEN 'user:one'
                  WHEN n % 2 = 0 AND n > :tokens - 2000000 THEN 'user:many'
                  ELSE 'user:' || (hashint8(n) & 2147483647) % greatest(:tokens / 20, 1) + 1 END AS owner
      FROM generate_series(1, :tokens) n) t
ON CONFLICT (lookup) DO NOTHING;
INSERT INTO tokenauth.usage (token_id, last_used_at, request_count, first_used_at)
SELECT id, now(), 3, created_at FROM tokenauth.token ORDER BY id;

VACUUM (ANALYZE);
CHECKPOINT;
