-- Moving in from NetBox. The table is that of its migrations (users_token as of release 4.5: users/migrations up to
-- 0014_users_token_v2; of users_user only the columns that matter here).
--   v1, all before 4.5   the text itself, in `plaintext` (in `key` before 4.5): can be hashed here
--   v2, since 4.5        HMAC-SHA-256 of what follows the dot, under one of API_TOKEN_PEPPERS: can be taken over with the pepper
-- The pepper is a string of at least 50 characters. It goes into the key file by its bytes in hexadecimal, as a line of its own:
--   import netbox-1 <printf %s "$PEPPER" | xxd -p -c 256>
-- Clients send "Authorization: Token …" with v1, and "Authorization: Bearer nbt_<key>.<token>" with v2.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

CREATE TABLE users_user (id bigint PRIMARY KEY, username varchar(150) NOT NULL UNIQUE, is_active boolean NOT NULL);
CREATE TABLE users_token (
    id bigint PRIMARY KEY,
    version smallint NOT NULL CHECK (version >= 0),
    user_id bigint NOT NULL REFERENCES users_user DEFERRABLE INITIALLY DEFERRED,
    description varchar(200) NOT NULL,
    created timestamp with time zone NOT NULL,
    expires timestamp with time zone NULL,
    last_used timestamp with time zone NULL,
    enabled boolean NOT NULL,
    write_enabled boolean NOT NULL,
    plaintext varchar(40) NULL UNIQUE,
    key varchar(16) NULL UNIQUE,
    pepper_id smallint NULL CHECK (pepper_id >= 0),
    hmac_digest varchar(64) NULL,
    allowed_ips cidr[] NULL
);
INSERT INTO users_user VALUES (1, 'ann', true), (2, 'ben', true), (3, 'cem', false);
INSERT INTO users_token VALUES
    (1, 1, 1, 'collector', '2021-03-01 UTC', NULL, NULL, true, true, repeat('0123456789', 4), NULL, NULL, NULL, NULL),
    (2, 1, 2, 'dashboard', '2022-03-01 UTC', NULL, NULL, true, false, repeat('abcdef0123', 4), NULL, NULL, NULL, '{192.0.2.0/24}'),
    (3, 2, 1, 'automation', '2025-11-01 UTC', NULL, NULL, true, true, NULL, 'aB3dE5fG7hJ9', 1,
        '7963f075f86bc669fb2e111bed5f99189fd4f5bb8ab3572c6ec739348d67f2a2', NULL),
    (4, 1, 2, 'old', '2020-03-01 UTC', '2020-04-01 UTC', NULL, true, true, repeat('fedcba9876', 4), NULL, NULL, NULL, NULL),
    (5, 1, 3, 'of one who left', '2020-03-01 UTC', NULL, NULL, true, true, repeat('1a2b3c4d5e', 4), NULL, NULL, NULL, NULL),
    (6, 1, 2, 'paused', '2023-03-01 UTC', NULL, NULL, false, true, repeat('5e4d3c2b1a', 4), NULL, NULL, NULL, NULL);

-- A token acts as its user; it may write only where that is enabled. The application requires `write` of a request that changes
-- something, and goes on to ask for the user's own permissions as before.
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'myapp_');
SELECT tokenauth.bind_principals('users_user', 'user', 'id', active => 'is_active', permissions => $$'{read,write}'::text[]$$,
    display_name => 'username') AS users;

-- What cannot be taken over, and why:
CREATE TEMPORARY VIEW moving AS
SELECT t.*, CASE WHEN t.expires <= now() THEN 'it has expired'
                 WHEN NOT u.is_active THEN 'its user is inactive' END AS obstacle
  FROM users_token t JOIN users_user u ON u.id = t.user_id;
SELECT id, version, description, obstacle FROM moving WHERE obstacle IS NOT NULL ORDER BY id;

-- Everything else, in one statement; edit() adds what import() has no argument for.
CREATE TEMPORARY TABLE moved AS
SELECT id AS old_id, (tokenauth.edit(
           tokenauth.import('api', 'user:' || user_id,
               coalesce(hmac_digest, encode(sha256(convert_to(plaintext, 'UTF8')), 'hex')),
               CASE version WHEN 1 THEN 'sha256' ELSE 'hmac-sha256-after-dot:netbox-' || pepper_id END,
               name => description, hint => coalesce('nbt_' || key || '.…', left(plaintext, 4) || '…'),
               scopes => CASE WHEN write_enabled THEN '{read,write}' ELSE '{read}' END::text[],
               expires_at => coalesce(expires, 'infinity'), created_at => created,
               metadata => jsonb_build_object('users_token.id', id)),
           networks => allowed_ips::text[])).id
  FROM moving WHERE obstacle IS NULL;
SELECT count(*) AS imported FROM moved;
-- What was not enabled is not, and can be again.
SELECT t.description, tokenauth.disable(m.id) FROM moved m JOIN users_token t ON t.id = m.old_id WHERE NOT t.enabled;

-- The holder notices nothing: the same header, the same token.
SELECT verdict, owner, name, scopes FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Token ' || repeat('0123456789', 4)), '{write}');
SELECT verdict, owner, name, scopes FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Token ' || repeat('abcdef0123', 4)), client => '192.0.2.7');
SELECT verdict, detail FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Token ' || repeat('abcdef0123', 4)), '{write}', client => '198.51.100.7');
SELECT verdict, owner, name, scopes FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Bearer nbt_aB3dE5fG7hJ9.' || repeat('Zx4cVb6nMq', 4)), '{write}');
SELECT verdict FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Bearer nbt_aB3dE5fG7hJ9.' || repeat('Zx4cVb6nMr', 4)));
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('Authorization', 'Token ' || repeat('5e4d3c2b1a', 4)));
SELECT owner, name, status, hint, networks FROM tokenauth.tokens ORDER BY created_at;

-- The key file needs the line as long as there are v2 tokens; doctor() misses it, and rotate() replaces a token by one of ours.
-- The old table has v1 tokens in the clear, and so have its backups.
DROP VIEW moving;
DROP TABLE users_token;
