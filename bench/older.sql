-- What an older system stored of :tokens tokens, in :rounds parts, and tables like ours to copy it into. Run by scripts/bench.
CREATE UNLOGGED TABLE bench.older AS
SELECT n % :rounds + 1 AS round, md5(n::text || 'id')::uuid AS id, md5(n::text || 'event')::uuid AS event_id,
       'user:' || n % :owners + 1 AS owner, sha256(n::text::bytea) AS digest, encode(sha256(n::text::bytea), 'hex') AS hex,
       ('x' || left(encode(sha256(n::text::bytea), 'hex'), 16))::bit(64)::bigint AS lookup,
       '{devices:read,sites:read}'::text[] AS scopes
FROM generate_series(1, :tokens) n;
CREATE TABLE bench.bare_token (LIKE tokenauth.token INCLUDING INDEXES) WITH (fillfactor = 95);
CREATE TABLE bench.bare_usage (LIKE tokenauth.usage INCLUDING INDEXES INCLUDING DEFAULTS) WITH (fillfactor = 64);
CREATE TABLE bench.bare_event (LIKE tokenauth.event INCLUDING INDEXES);
CREATE TABLE bench.taken_over (id uuid);
VACUUM ANALYZE bench.older;
