-- An owner with :tokens tokens, and one with ten. Run by scripts/bench after it has measured verification. Only their
-- deaths are timed, so these rows need no token text, and one statement inserts them, without issue().

SELECT tokenauth.put_principal('user:many');
SELECT tokenauth.put_principal('user:ten');

SET session_replication_role = replica;
INSERT INTO tokenauth.token
    (id, lookup, digest, algorithm, hint, kind, owner, owner_epoch, dies_with_owner, scopes, data_scopes, created_at, created_by)
SELECT gen_random_uuid(), ('x' || left(md5('bench' || n), 16))::bit(64)::bigint, sha256(n::text::bytea), 'sha256', 'bench_',
       'bench', CASE WHEN n <= :tokens THEN 'user:many' ELSE 'user:ten' END, 0, true, 'devices:read', '{}', now(), 'bench'
FROM generate_series(1, :tokens + 10) n
ON CONFLICT (lookup) DO NOTHING;
RESET session_replication_role;

VACUUM (ANALYZE) tokenauth.token;
CHECKPOINT;
