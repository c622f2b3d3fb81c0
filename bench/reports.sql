-- :tokens tokens of a tenth as many owners, issued over the last year. One in eight was never used, so that one in ten or so
-- is idle for 90 days; the others were used within the last 80. One in twenty is revoked, of each fiftieth of these within
-- the last week; one in fifty is disabled; a fiftieth expires within the week, and as many have expired. One owner in a
-- thousand has lost all the tokens it had, this week. Run by scripts/bench-reports.

CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix, owner_inactive)
VALUES ('bench', 'bench_', 'revoke'), ('other', 'other_', 'suspend'), ('third', 'third_', 'revoke');
INSERT INTO tokenauth.principal (principal, permissions, active, epoch, all_dead_before_epoch, revocable_dead_before_epoch)
SELECT 'user:' || n, '{devices:read,sites:read}', n % 100 <> 7, dead, dead, dead
  FROM (SELECT n, (n % 1000 = 0)::int AS dead FROM generate_series(1, greatest(:tokens / 10, 1)) n) p;
INSERT INTO tokenauth.mass_death (owner, epoch, at, by, reason, covers)
SELECT principal, epoch, now() - interval '1 day', 'role:bench', 'all at once', 'all' FROM tokenauth.principal WHERE epoch > 0;

-- Ids as issue() makes them, by time, with what is random in them computed.
INSERT INTO tokenauth.token
    (id, lookup, digest, algorithm, hint, kind, owner, owner_epoch, dies_with_owner, crowded, name, scopes, data_scopes, created_at, expires_at,
     disabled_at, revoked_at, revoked_by, revoke_reason, created_by)
SELECT (lpad(to_hex((extract(epoch FROM t.at) * 1000)::bigint), 12, '0') || '7' || substr(t.mixed, 1, 3) || '8' || substr(t.mixed, 4, 15))::uuid,
       ('x' || left(t.mixed, 16))::bit(64)::bigint, sha256(t.mixed::bytea), 'sha256', 'bench_' || left(t.mixed, 8) || '…f9g0',
       CASE WHEN t.n % 10 < 7 THEN 'bench' WHEN t.n % 10 < 9 THEN 'other' ELSE 'third' END,
       'user:' || (hashint8(t.n) & 2147483647) % greatest(:tokens / 10, 1) + 1, 0, t.n % 10 NOT IN (7, 8), false, 'token ' || t.n,
       'devices:read sites:read', '{}', t.at,
       CASE WHEN t.n % 50 = 11 THEN now() + (t.n % 7) * interval '1 day' WHEN t.n % 50 = 12 THEN now() - interval '1 day'
            ELSE now() + interval '1 year' END,
       CASE WHEN t.n % 50 = 3 THEN now() END,
       CASE WHEN t.n % 1000 = 1 THEN now() - interval '2 days' WHEN t.n % 20 = 1 THEN t.at + interval '1 hour' END,
       CASE WHEN t.n % 20 = 1 THEN 'role:bench' END, CASE WHEN t.n % 40 = 1 THEN 'laptop lost' END, 'role:bench'
FROM (SELECT n, md5('bench' || n) AS mixed, now() - (:tokens - n) * (interval '1 year' / :tokens) AS at
        FROM generate_series(1, :tokens) n) t
ON CONFLICT (lookup) DO NOTHING;
INSERT INTO tokenauth.usage (token_id, last_used_at, request_count, first_used_at)
SELECT id, CASE WHEN lookup % 8 <> 0 THEN now() - (abs(lookup) % 80) * interval '1 day' END, 3, created_at
  FROM tokenauth.token ORDER BY id;

VACUUM (ANALYZE);
CHECKPOINT;
