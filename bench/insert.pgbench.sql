-- Inserts the row that issue() would insert, with values derived from a random uuid instead of a token.
\set owner random(1, 10)
INSERT INTO tokenauth.token
    (id, lookup, digest, algorithm, hint, kind, owner, owner_epoch, dies_with_owner, scopes, data_scopes, created_at, created_by)
SELECT r.id, ('x' || left(md5(r.id::text), 16))::bit(64)::bigint, sha256(uuid_send(r.id)), 'sha256', 'bench_a1b2c3d4…f9g0',
       'bench', 'user:' || :owner, 0, true, array_to_string(:scopes::text[], ' '), '{}', clock_timestamp(), 'somebody'
FROM gen_random_uuid() AS r(id);
