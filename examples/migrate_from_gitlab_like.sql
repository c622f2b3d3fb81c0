-- Moving in from a table of personal access tokens made after GitLab's. The table is GitLab's (db/structure.sql of gitlabhq at
-- 0016ea05, of 2025), with the SHA-256 of the token in base64. Whether it can be taken over depends on one thing:
--   SHA-256 of the token          can be taken over, in hexadecimal or in base64
--   SHA-256 of token and secret   cannot. GitLab itself does so (lib/gitlab/crypto_helper.rb hashes the token followed by the first
--                                 32 bytes of db_key_base), and no algorithm of import() puts a secret behind the text. Its holders
--                                 create new tokens, or the application looks for their digests itself for as long as it takes.
-- Clients send "PRIVATE-TOKEN: glpat-…". A token that an administrator made to act as somebody (impersonation) moves in as one of
-- that user, which its metadata tells; rotation links of former tokens stay behind, since those are revoked.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

-- Of GitLab's users only what matters here; of their tokens every column.
CREATE TABLE users (id bigint PRIMARY KEY, username character varying, state character varying);
CREATE TABLE personal_access_tokens (
    id bigint PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name character varying NOT NULL,
    revoked boolean DEFAULT false,
    expires_at date,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    scopes character varying DEFAULT E'--- []\n' NOT NULL,
    impersonation boolean DEFAULT false NOT NULL,
    token_digest character varying UNIQUE,
    expire_notification_delivered boolean DEFAULT false NOT NULL,
    last_used_at timestamp with time zone,
    after_expiry_notification_delivered boolean DEFAULT false NOT NULL,
    previous_personal_access_token_id bigint,
    organization_id bigint NOT NULL,
    seven_days_notification_sent_at timestamp with time zone,
    thirty_days_notification_sent_at timestamp with time zone,
    sixty_days_notification_sent_at timestamp with time zone,
    description text CHECK (char_length(description) <= 255)
);
INSERT INTO users VALUES (1, 'ann', 'active'), (2, 'ben', 'active'), (3, 'cem', 'blocked');
INSERT INTO personal_access_tokens (id, user_id, name, revoked, expires_at, created_at, updated_at, scopes, impersonation, token_digest,
                                    organization_id, description)
SELECT id, owner, name, revoked, expires, '2024-05-01', '2024-05-01', scopes, id = 2,
       encode(sha256(convert_to(secret, 'UTF8')), 'base64'), 1, CASE id WHEN 1 THEN 'for the nightly build' END
  FROM (VALUES
    (1, 1, 'CI', 'glpat-a1B2c3D4e5F6g7H8i9J0', false, date '2999-01-01', E'---\n- api\n- read_repository\n'),
    (2, 2, 'laptop', 'glpat-k1L2m3N4o5P6q7R8s9T0', NULL, NULL, E'---\n- read_api\n'),
    (3, 2, 'lost', 'glpat-u1V2w3X4y5Z6a7B8c9D0', true, NULL, E'---\n- api\n'),
    (4, 2, 'old', 'glpat-e1F2g3H4i5J6k7L8m9N0', false, '2024-06-01', E'---\n- api\n'),
    (5, 3, 'of one who is blocked', 'glpat-o1P2q3R4s5T6u7V8w9X0', false, NULL, E'---\n- api\n')
  ) AS t (id, owner, name, secret, revoked, expires, scopes);

INSERT INTO tokenauth.kind (name, prefix) VALUES ('personal', 'myapp_');
SELECT tokenauth.bind_principals('users', 'user', 'id', active => $$state = 'active'$$, permissions => $$'{*}'::text[]$$,
    display_name => 'username') AS users;

-- What cannot be taken over, and why:
CREATE TEMPORARY VIEW moving AS
SELECT t.*, CASE WHEN t.revoked THEN 'it was revoked'
                 WHEN t.expires_at <= current_date THEN 'it has expired'
                 WHEN u.state <> 'active' THEN 'its user is ' || u.state END AS obstacle
  FROM personal_access_tokens t JOIN users u ON u.id = t.user_id;
SELECT id, name, obstacle FROM moving WHERE obstacle IS NOT NULL ORDER BY id;

-- Everything else, in one statement. Scopes are a list in YAML; a token ends as its day begins; revoked NULL is not revoked.
SELECT count(tokenauth.import('personal', 'user:' || user_id, encode(decode(token_digest, 'base64'), 'hex'), 'sha256', name => name,
           hint => 'glpat-…', expires_at => coalesce(expires_at::timestamp AT TIME ZONE 'UTC', 'infinity'),
           created_at => created_at AT TIME ZONE 'UTC',
           scopes => (SELECT coalesce(array_agg(line[1]), '{}') FROM regexp_matches(scopes, '^- (\S+)$', 'gn') line),
           metadata => jsonb_strip_nulls(jsonb_build_object('description', description, 'impersonation', nullif(impersonation, false))))) AS imported
  FROM moving WHERE obstacle IS NULL;

-- The holder notices nothing: the same header, the same token.
SELECT verdict, owner, name, scopes, expires_at
  FROM tokenauth.verify_request('{"PRIVATE-TOKEN": "glpat-a1B2c3D4e5F6g7H8i9J0"}', header => 'PRIVATE-TOKEN');
SELECT verdict, detail
  FROM tokenauth.verify_request('{"Private-Token": "glpat-k1L2m3N4o5P6q7R8s9T0"}', '{api}', header => 'PRIVATE-TOKEN');
SELECT verdict FROM tokenauth.verify_request('{"PRIVATE-TOKEN": "glpat-u1V2w3X4y5Z6a7B8c9D0"}', header => 'PRIVATE-TOKEN');
SELECT owner, name, hint, created_at, metadata FROM tokenauth.tokens ORDER BY owner;
