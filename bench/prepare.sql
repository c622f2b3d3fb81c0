-- :tokens real tokens, and what an application would write by hand for as many. Run by scripts/bench,
-- scripts/bench-usage and scripts/profile, with :owners, :hot and :rounds set too.

CREATE EXTENSION tokenauth;
CREATE EXTENSION pgcrypto;
CREATE SCHEMA bench;

-- The default kind: chosen scopes, cut at each verification to what the owner holds.
INSERT INTO tokenauth.kind (name, prefix) VALUES ('bench', 'bench_');
SELECT count(tokenauth.put_principal('user:' || n, permissions => '{devices:read,reports:*,sites:read}'))
FROM generate_series(1, :owners) n;

-- What clients present. The column "broken" is a token with its last character changed: its checksum is wrong.
CREATE UNLOGGED TABLE bench.presented (
    n integer PRIMARY KEY, token text NOT NULL, broken text NOT NULL, missing text, digest bytea NOT NULL, lookup bigint NOT NULL);
CREATE TEMPORARY TABLE issued AS
SELECT n, i.id, i.token
FROM generate_series(1, :tokens) n,
     LATERAL tokenauth.issue('bench', 'user:' || (n % :owners + 1), scopes => '{devices:read,sites:read}') i;
INSERT INTO bench.presented
SELECT i.n, i.token, left(i.token, -1) || CASE right(i.token, 1) WHEN '0' THEN '1' ELSE '0' END, NULL,
       sha256(convert_to(i.token, 'UTF8')), t.lookup
FROM issued i JOIN tokenauth.token t USING (id) ORDER BY i.n;

-- For calls within one statement: a hot set presented over and over, and for each round random tokens of its own, so
-- that no round finds what the one before has left in memory.
CREATE UNLOGGED TABLE bench.hot AS
SELECT p.* FROM bench.presented p, generate_series(1, 10) WHERE p.n <= :hot ORDER BY random();
CREATE UNLOGGED TABLE bench.shuffled AS
SELECT p.*, (row_number() OVER (ORDER BY random()) % :rounds + 1)::integer AS round FROM bench.presented p;
-- One token over and over: a transaction has one identity.
CREATE UNLOGGED TABLE bench.one AS
SELECT p.token, ''::text AS nothing FROM bench.presented p, generate_series(1, 100000) WHERE p.n = 1;

-- What a product writes by hand: a table of hashes, and a look-up by hash.
CREATE SCHEMA hand_written;
CREATE TABLE hand_written.users (
    id          bigint PRIMARY KEY,
    is_active   boolean NOT NULL DEFAULT true,
    permissions text[] NOT NULL
);
CREATE TABLE hand_written.token (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    digest       bytea NOT NULL UNIQUE,
    user_id      bigint NOT NULL REFERENCES hand_written.users,
    name         text,
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
INSERT INTO hand_written.users (id, permissions)
SELECT n, '{devices:read,reports:*,sites:read}' FROM generate_series(1, :owners) n;
INSERT INTO hand_written.token (digest, user_id, scopes)
SELECT sha256(convert_to(token, 'UTF8')), n % :owners + 1, '{devices:read,sites:read}' FROM bench.presented ORDER BY n;

-- A function that PostgreSQL inlines into the calling query: as fast as SQL can be.
CREATE FUNCTION hand_written.verify(token text)
RETURNS TABLE (ok boolean, id uuid, user_id bigint, name text, scopes text[], expires_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT true, t.id, t.user_id, t.name, t.scopes, t.expires_at
    FROM hand_written.token t
    WHERE t.digest = sha256(convert_to($1, 'UTF8'))
      AND t.revoked_at IS NULL
      AND (t.expires_at IS NULL OR t.expires_at > now())
$$;

-- The same, which also checks whether the user is active, as verify() does.
CREATE FUNCTION hand_written.verify_with_user(token text)
RETURNS TABLE (ok boolean, id uuid, user_id bigint, name text, scopes text[], permissions text[], expires_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT true, t.id, t.user_id, t.name, t.scopes, u.permissions, t.expires_at
    FROM hand_written.token t JOIN hand_written.users u ON u.id = t.user_id
    WHERE t.digest = sha256(convert_to($1, 'UTF8'))
      AND t.revoked_at IS NULL
      AND (t.expires_at IS NULL OR t.expires_at > now())
      AND u.is_active
$$;

-- The first function, but returning one row instead of a set: it is called and not inlined, as verify() is.
CREATE TYPE hand_written.verification AS (ok boolean, id uuid, user_id bigint, name text, scopes text[], expires_at timestamptz);
CREATE FUNCTION hand_written.verify_row(token text) RETURNS hand_written.verification
LANGUAGE sql STABLE AS $$
    SELECT true, t.id, t.user_id, t.name, t.scopes, t.expires_at
    FROM hand_written.token t
    WHERE t.digest = sha256(convert_to($1, 'UTF8'))
      AND t.revoked_at IS NULL
      AND (t.expires_at IS NULL OR t.expires_at > now())
$$;

CREATE FUNCTION hand_written.verify_plpgsql(token text)
RETURNS TABLE (ok boolean, id uuid, user_id bigint, name text, scopes text[], expires_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT true, t.id, t.user_id, t.name, t.scopes, t.expires_at
    FROM hand_written.token t
    WHERE t.digest = sha256(convert_to($1, 'UTF8'))
      AND t.revoked_at IS NULL
      AND (t.expires_at IS NULL OR t.expires_at > now());
END
$$;

-- Returns only the owner, as authenticate() does.
CREATE FUNCTION hand_written.owner_plpgsql(token text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT user_id FROM hand_written.verify($1));
END
$$;

-- The same, which also records the last use.
CREATE FUNCTION hand_written.verify_and_note(token text)
RETURNS TABLE (ok boolean, id uuid, user_id bigint, name text, scopes text[], expires_at timestamptz)
LANGUAGE sql VOLATILE AS $$
    UPDATE hand_written.token t SET last_used_at = now()
    WHERE t.digest = sha256(convert_to($1, 'UTF8'))
      AND t.revoked_at IS NULL
      AND (t.expires_at IS NULL OR t.expires_at > now())
    RETURNING true, t.id, t.user_id, t.name, t.scopes, t.expires_at
$$;

CREATE TABLE hand_written.password (lookup text PRIMARY KEY, hash text NOT NULL);
INSERT INTO hand_written.password SELECT left(token, 17), crypt(token, gen_salt('bf', 8)) FROM bench.presented WHERE n <= 5;
CREATE FUNCTION hand_written.verify_bcrypt(token text) RETURNS TABLE (ok boolean) LANGUAGE sql STABLE AS $$
    SELECT true FROM hand_written.password p WHERE p.lookup = left($1, 17) AND p.hash = crypt($1, p.hash)
$$;

VACUUM (ANALYZE);
CHECKPOINT;
