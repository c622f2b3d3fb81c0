-- Moving in from Unkey. Its table is in MySQL; these are the columns of `keys` that matter here (unkeyed/unkey, pkg/db/schema.sql),
-- loaded into a table of PostgreSQL. `hash` is the SHA-256 of the whole key in base64 (pkg/hash): every version can be taken over.
-- A key that Unkey itself has taken over from another system keeps that one's hash until it is used (`pending_migration_id`). A key
-- that counts down `remaining_requests` cannot: here, a kind has a rate, and a token no credits. Where the application told
-- clients to send the key is the application's; here it is "Authorization: Bearer …".
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

CREATE TABLE keys (
    id varchar(256) PRIMARY KEY,
    key_auth_id varchar(256) NOT NULL,
    hash varchar(256) NOT NULL UNIQUE,
    start varchar(256) NOT NULL,
    owner_id varchar(256),
    name varchar(256),
    meta text,
    expires timestamp(3),
    created_at_m bigint NOT NULL DEFAULT 0,
    deleted_at_m bigint,
    enabled boolean NOT NULL DEFAULT true,
    remaining_requests integer,
    pending_migration_id varchar(256)
);
INSERT INTO keys (id, key_auth_id, hash, start, owner_id, name, meta, expires, created_at_m, deleted_at_m, enabled, remaining_requests, pending_migration_id)
SELECT id, 'ks_1', encode(sha256(convert_to(secret, 'UTF8')), 'base64'), left(secret, 10), owner, name, meta, expires,
       1714521600000, deleted, enabled, remaining, CASE name WHEN 'from elsewhere' THEN 'mig_1' END
  FROM (VALUES
    ('key_1', 'prod_3ZbJk8Qw2nVt5RyU7mXe1p', 'ann', 'backend', '{"plan": "pro"}', NULL::timestamp, NULL::bigint, true, NULL::int),
    ('key_2', 'prod_9LsDf4Gh6jKq1WcE3rTy8u', 'ben', NULL, NULL, '2999-01-01', NULL, true, NULL),
    ('key_3', 'prod_5NbVx7Cz2mQa8PoI4lKj6h', 'ben', 'gone', NULL, NULL, 1717200000000, true, NULL),
    ('key_4', 'prod_1QaZx3Sw5eDc7rFv9tGb2y', 'ben', 'off', NULL, NULL, NULL, false, NULL),
    ('key_5', 'prod_8UjMn6Ik4oLp2zXc1vBn3m', 'ann', 'prepaid', NULL, NULL, NULL, true, 100),
    ('key_6', 'prod_2WsEd4Rf6tGy8hUj1iKo3l', NULL, 'nobody''s', NULL, NULL, NULL, true, NULL),
    ('key_7', 'prod_6YhBg5Tf3rDe2sWa9qXz7c', 'ann', 'from elsewhere', NULL, NULL, NULL, true, NULL)
  ) AS k (id, secret, owner, name, meta, expires, deleted, enabled, remaining);

INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('api', 'prod_', '{customer}');
SELECT count(*) AS principals FROM (SELECT DISTINCT owner_id FROM keys WHERE owner_id IS NOT NULL) owners,
    tokenauth.put_principal('customer:' || owner_id, '{*}');

-- What cannot be taken over, and why:
CREATE TEMPORARY VIEW moving AS
SELECT *, CASE WHEN deleted_at_m IS NOT NULL THEN 'it was deleted'
               WHEN NOT enabled THEN 'it is disabled'
               WHEN expires AT TIME ZONE 'UTC' <= now() THEN 'it has expired'
               WHEN pending_migration_id IS NOT NULL THEN 'not used since Unkey has taken it over: its hash is not Unkey''s'
               WHEN owner_id IS NULL THEN 'nobody owns it: say who, or give it a principal of its own'
               WHEN remaining_requests IS NOT NULL THEN 'it has credits' END AS obstacle
  FROM keys;
SELECT id, name, obstacle FROM moving WHERE obstacle IS NOT NULL ORDER BY id;

-- Everything else, in one statement:
SELECT count(tokenauth.import('api', 'customer:' || owner_id, encode(decode(hash, 'base64'), 'hex'), 'sha256', name => name,
           hint => start || '…', expires_at => coalesce(expires AT TIME ZONE 'UTC', 'infinity'),
           created_at => to_timestamp(created_at_m / 1000.0), metadata => meta::jsonb)) AS imported
  FROM moving WHERE obstacle IS NULL;

-- The holder notices nothing: the same header, the same key.
SELECT verdict, owner, name, metadata FROM tokenauth.verify_request('{"Authorization": "Bearer prod_3ZbJk8Qw2nVt5RyU7mXe1p"}');
SELECT verdict, owner, expires_at FROM tokenauth.verify_request('{"Authorization": "Bearer prod_9LsDf4Gh6jKq1WcE3rTy8u"}');
SELECT verdict FROM tokenauth.verify_request('{"Authorization": "Bearer prod_5NbVx7Cz2mQa8PoI4lKj6h"}');
SELECT owner, name, hint, created_at FROM tokenauth.tokens ORDER BY owner;
