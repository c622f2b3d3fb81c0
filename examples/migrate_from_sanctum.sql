-- Moving in from Laravel Sanctum, releases 2 to 4. The table is that of its migration (laravel/sanctum,
-- create_personal_access_tokens_table; `expires_at` since release 3, a `name` of any length in the newest). It stores the SHA-256
-- of the token. Since release 2.3.0 of 5 May 2020 the holder has the row's id and a "|" before that, so what is hashed is what
-- follows the bar; tokens from before are hashed whole. Both can be taken over. Clients send "Authorization: Bearer 12|…".
-- (Sanctum takes a newer token without its id as well: if some holders present it so, take its row over a second time, as
-- "sha256".)
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

CREATE TABLE users (id bigint PRIMARY KEY, name varchar(255) NOT NULL, is_active boolean NOT NULL DEFAULT true);
CREATE TABLE personal_access_tokens (
    id bigint PRIMARY KEY,
    tokenable_type varchar(255) NOT NULL,
    tokenable_id bigint NOT NULL,
    name text NOT NULL,
    token varchar(64) NOT NULL UNIQUE,
    abilities text NULL,
    last_used_at timestamp(0) NULL,
    expires_at timestamp(0) NULL,
    created_at timestamp(0) NULL,
    updated_at timestamp(0) NULL
);
INSERT INTO users VALUES (1, 'Ann', true), (2, 'Ben', true), (3, 'Cem', false);
INSERT INTO personal_access_tokens (id, tokenable_type, tokenable_id, name, token, abilities, expires_at, created_at)
SELECT id, type, owner, name, encode(sha256(convert_to(secret, 'UTF8')), 'hex'), abilities, expires_at, created_at
  FROM (VALUES
    (7, 'App\Models\User', 1, 'before 2.3', repeat('oldplain', 10), '["*"]', NULL::timestamp, timestamp '2020-04-01'),
    (12, 'App\Models\User', 1, 'CI', 'tA9y' || repeat('Qw3rTy', 6), '["server:update"]', NULL, '2023-05-01'),
    (13, 'App\Models\User', 2, 'phone', 'myapp_uB8x' || repeat('Zx4cVb', 6) || 'd1e2f3a4', '["*"]', '2999-01-01', '2024-05-01'),
    (14, 'App\Models\User', 2, 'trial', 'vC7w' || repeat('Mn5bVc', 6), '["*"]', '2024-06-01', '2024-05-01'),
    (15, 'App\Models\User', 2, 'odd', 'wD6v' || repeat('Po0iUy', 6), '["read posts"]', NULL, '2024-05-01'),
    (16, 'App\Models\Team', 3, 'of a team', 'xE5u' || repeat('Lk9jHg', 6), '["*"]', NULL, '2024-05-01'),
    (17, 'App\Models\User', 3, 'of one who left', 'yF4t' || repeat('Jk8hGf', 6), '["*"]', NULL, '2024-05-01')
  ) AS t (id, type, owner, name, secret, abilities, expires_at, created_at);

-- Abilities become scopes. A user may whatever a token can grant; what else users may, the application's policies say as before.
INSERT INTO tokenauth.kind (name, prefix) VALUES ('personal', 'myapp_');
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'is_active', permissions => $$'{*}'::text[]$$,
    display_name => 'name') AS users;

-- What cannot be taken over, and why. If config/sanctum.php has an `expiration`, subtract it here and add it below.
CREATE TEMPORARY VIEW moving AS
SELECT t.*, s.scopes, CASE WHEN tokenable_type <> 'App\Models\User' THEN 'its owner is no user: bind that table as well'
                           WHEN u.is_active IS NOT TRUE THEN 'its user is gone or inactive'
                           WHEN expires_at AT TIME ZONE 'UTC' <= now() THEN 'it has expired'
                           WHEN s.odd IS NOT NULL THEN format('its ability "%s" is no scope: rename it', s.odd) END AS obstacle
  FROM personal_access_tokens t LEFT JOIN users u ON u.id = t.tokenable_id, LATERAL (
      SELECT coalesce(array_agg(ability), '{}') AS scopes,
             min(ability) FILTER (WHERE ability !~ '^[A-Za-z0-9_./*-]+(:[A-Za-z0-9_./*-]+){0,3}$') AS odd
        FROM jsonb_array_elements_text(coalesce(t.abilities, '[]')::jsonb) ability) s;
SELECT id, name, obstacle FROM moving WHERE obstacle IS NOT NULL ORDER BY id;

-- Everything else, in one statement:
SELECT count(tokenauth.import('personal', 'user:' || tokenable_id, token,
           CASE WHEN created_at < '2020-05-05' THEN 'sha256' ELSE 'sha256-after-bar' END,
           name => left(name, 255), hint => id || '|…', scopes => scopes,
           expires_at => coalesce(expires_at AT TIME ZONE 'UTC', 'infinity'), created_at => created_at AT TIME ZONE 'UTC',
           metadata => jsonb_build_object('personal_access_tokens.id', id))) AS imported
  FROM moving WHERE obstacle IS NULL;

-- The holder notices nothing: the same header, the same token.
SELECT verdict, owner, name, scopes FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Bearer 12|tA9y' || repeat('Qw3rTy', 6)), '{server:update}');
SELECT verdict, owner, name, scopes, expires_at FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Bearer 13|myapp_uB8x' || repeat('Zx4cVb', 6) || 'd1e2f3a4'));
SELECT verdict, owner, name FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Bearer ' || repeat('oldplain', 10)));
-- What was hashed after the bar is found after a bar only, and what was hashed whole only whole.
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer tA9y' || repeat('Qw3rTy', 6)));
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer 7|' || repeat('oldplain', 10)));
SELECT verdict FROM tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer 14|vC7w' || repeat('Mn5bVc', 6)));
SELECT owner, name, hint, created_at FROM tokenauth.tokens ORDER BY created_at;
