-- Tables of plaintexts to present, and what an application would write by hand, over the same tokens.
-- Run by scripts/bench with :tokens and :owners set.

CREATE EXTENSION tokenauth;
CREATE EXTENSION pgcrypto;

INSERT INTO tokenauth.kind (name, prefix) VALUES ('bench', 'bench_');
SELECT count(tokenauth.put_principal('user:' || n, permissions => '{devices:read}')) FROM generate_series(1, :owners) n;

CREATE TABLE presented AS
    SELECT n, i.token
    FROM generate_series(1, :tokens) n, LATERAL tokenauth.issue('bench', 'user:' || (n % :owners + 1)) i;
ALTER TABLE presented ADD PRIMARY KEY (n);

-- Calls within one statement: of a hot set of 10,000 tokens, and of uniformly random ones.
CREATE TABLE hot AS
    SELECT p.n, p.token FROM presented p, generate_series(1, 10) WHERE p.n <= 10000 ORDER BY random();
CREATE TABLE uniform AS
    SELECT p.n, p.token FROM presented p ORDER BY random() LIMIT 100000;
CREATE TABLE few AS
    SELECT p.n, p.token FROM presented p WHERE p.n <= 100;

CREATE SCHEMA hand_written;
CREATE TABLE hand_written.token (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest       bytea NOT NULL UNIQUE,
    owner        bigint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
INSERT INTO hand_written.token (digest, owner)
    SELECT sha256(convert_to(token, 'UTF8')), n % :owners + 1 FROM presented ORDER BY n;

CREATE FUNCTION hand_written.verify(token text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT t.owner FROM hand_written.token t
    WHERE t.digest = sha256(convert_to($1, 'UTF8')) AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
$$;
CREATE FUNCTION hand_written.verify_and_note(token text) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    UPDATE hand_written.token t SET last_used_at = now()
    WHERE t.digest = sha256(convert_to($1, 'UTF8')) AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
    RETURNING t.owner
$$;

CREATE SCHEMA bcrypt;
CREATE TABLE bcrypt.token (lookup text PRIMARY KEY, hash text NOT NULL);
INSERT INTO bcrypt.token SELECT left(token, 17), crypt(token, gen_salt('bf', 8)) FROM few;
CREATE FUNCTION bcrypt.verify(token text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT hash = crypt($1, hash) FROM bcrypt.token WHERE lookup = left($1, 17)
$$;

VACUUM (ANALYZE);
CHECKPOINT;
