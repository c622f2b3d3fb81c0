-- Moving in from the API keys of better-auth. The table is that of its plugin (packages/better-auth/src/plugins/api-key/schema.ts,
-- 1.3; later releases, in packages/api-key, call "userId" "referenceId"). "key" is the SHA-256 of the whole key in base64url
-- without padding, which can be taken over; where the plugin was told disableKeyHashing it is the key itself, to be hashed here as
-- in migrate_from_drf_token.sql. What a customKeyHasher made cannot, unless import() has that algorithm. A key that counts down "remaining" cannot: here,
-- a kind has a rate, and a token no credits. Clients send "x-api-key: …".
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

CREATE TABLE "user" (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE apikey (
    id text PRIMARY KEY,
    name text,
    start text,
    prefix text,
    key text NOT NULL,
    "userId" text NOT NULL REFERENCES "user",
    "refillInterval" integer,
    "refillAmount" integer,
    "lastRefillAt" timestamp,
    enabled boolean,
    "rateLimitEnabled" boolean,
    "rateLimitTimeWindow" integer,
    "rateLimitMax" integer,
    "requestCount" integer,
    remaining integer,
    "lastRequest" timestamp,
    "expiresAt" timestamp,
    "createdAt" timestamp NOT NULL,
    "updatedAt" timestamp NOT NULL,
    permissions text,
    metadata text
);
INSERT INTO "user" VALUES ('u7Hq', 'Ann'), ('k2Pw', 'Ben');
INSERT INTO apikey (id, name, start, key, "userId", enabled, remaining, "expiresAt", "createdAt", "updatedAt", permissions)
SELECT id, name, left(secret, 6), rtrim(translate(encode(sha256(convert_to(secret, 'UTF8')), 'base64'), '+/', '-_'), '='),
       owner, enabled, remaining, expires, '2025-05-01', '2025-05-01', permissions
  FROM (VALUES
    ('a1', 'CI', repeat('kQwErTyUiO', 6), 'u7Hq', true, NULL::int, NULL::timestamp, '{"files": ["read", "write"], "users": ["read"]}'),
    ('a2', 'phone', repeat('mNbVcXzLkJ', 6), 'k2Pw', true, NULL, '2999-01-01', NULL),
    ('a3', 'off', repeat('pOiUyTrEwQ', 6), 'k2Pw', false, NULL, NULL, NULL),
    ('a4', 'prepaid', repeat('aSdFgHjKlZ', 6), 'k2Pw', true, 100, NULL, NULL),
    ('a5', 'trial', repeat('qAzWsXeDcR', 6), 'k2Pw', true, NULL, '2025-06-01', NULL)
  ) AS k (id, name, secret, owner, enabled, remaining, expires, permissions);

INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'myapp_');
SELECT tokenauth.bind_principals('"user"', 'user', 'id', permissions => $$'{*}'::text[]$$, display_name => 'name') AS users;

-- What cannot be taken over, and why:
CREATE TEMPORARY VIEW moving AS
SELECT *, CASE WHEN NOT enabled THEN 'it is disabled'
               WHEN "expiresAt" AT TIME ZONE 'UTC' <= now() THEN 'it has expired'
               WHEN remaining IS NOT NULL THEN 'it has credits'
               WHEN key !~ '^[A-Za-z0-9_-]{43}$' THEN 'made by another hash' END AS obstacle
  FROM apikey;
SELECT id, name, obstacle FROM moving WHERE obstacle IS NOT NULL ORDER BY id;

-- Everything else, in one statement. Permissions, such as {"files": ["read"]}, become scopes, such as files:read; a key without
-- any may whatever its user may.
SELECT count(tokenauth.import('api', 'user:' || "userId", encode(decode(translate(key, '-_', '+/') || '=', 'base64'), 'hex'), 'sha256',
           name => name, hint => start || '…', expires_at => coalesce("expiresAt" AT TIME ZONE 'UTC', 'infinity'),
           created_at => "createdAt" AT TIME ZONE 'UTC',
           scopes => (SELECT array_agg(resource || ':' || action ORDER BY resource, action)
                        FROM jsonb_each(permissions::jsonb) AS p (resource, actions), jsonb_array_elements_text(actions) action)
       )) AS imported
  FROM moving WHERE obstacle IS NULL;

-- The holder notices nothing: the same header, the same key.
SELECT verdict, owner, name, scopes FROM tokenauth.verify_request(jsonb_build_object('x-api-key', repeat('kQwErTyUiO', 6)));
SELECT verdict, owner, name, scopes, expires_at FROM tokenauth.verify_request(jsonb_build_object('x-api-key', repeat('mNbVcXzLkJ', 6)));
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('x-api-key', repeat('pOiUyTrEwQ', 6)));
SELECT owner, name, hint, created_at FROM tokenauth.tokens ORDER BY owner;
