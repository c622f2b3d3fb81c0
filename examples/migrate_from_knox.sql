-- Moving in from django-rest-knox. The tables are those of its own migrations (releases 4.2.0 and 5.0.2; of auth_user only the
-- columns that matter here). How it hashes has changed:
--   5     SHA-512 of the text (with its prefix, if there is one): can be taken over, as "sha512"
--   4.2   SHA-512 of the bytes that the text spells in hexadecimal: can be taken over, as "sha512-of-hex"
--   to 4.1   the same with a salt for each token, in a column `salt`: cannot be taken over
-- An update of knox leaves the older rows, but neither 4.2 nor 5 accepts them: their holders have had to log in anew already.
-- With another SECURE_HASH_ALGORITHM than SHA-512 nothing can be taken over. Clients send "Authorization: Token …".
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

CREATE TABLE auth_user (id integer PRIMARY KEY, username varchar(150) NOT NULL UNIQUE, is_active boolean NOT NULL);
INSERT INTO auth_user VALUES (1, 'ann', true), (2, 'ben', true), (3, 'cem', false);
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('session', 'myapp_', 'live');
SELECT tokenauth.bind_principals('auth_user', 'user', 'id', active => 'is_active', permissions => $$'{*}'::text[]$$,
    display_name => 'username') AS users;

-- Release 5:
CREATE TABLE knox_authtoken (
    created timestamp with time zone NOT NULL,
    user_id integer NOT NULL REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED,
    digest varchar(128) NOT NULL PRIMARY KEY,
    expiry timestamp with time zone NULL,
    token_key varchar(25) NOT NULL
);
-- When the application was updated to release 5, by its deployment log; rows from before are of a former release.
\set updated '2024-07-01 UTC'
INSERT INTO knox_authtoken (created, user_id, digest, expiry, token_key)
SELECT created, user_id, encode(sha512(convert_to(secret, 'UTF8')), 'hex'), expiry, left(secret, 15)
  FROM (VALUES
    (timestamptz '2024-08-01 UTC', 1, 'f3a9c1d2' || repeat('0a1b2c3d', 7), timestamptz '2999-01-01 UTC'),
    ('2024-09-01 UTC', 2, 'app_f3a9c1d3' || repeat('0a1b2c3d', 7), NULL),
    ('2024-09-02 UTC', 2, 'f3a9c1d4' || repeat('0a1b2c3d', 7), '2024-09-03 UTC'),
    ('2024-09-04 UTC', 3, 'f3a9c1d5' || repeat('0a1b2c3d', 7), NULL),
    ('2021-01-01 UTC', 2, 'f3a9c1d6' || repeat('0a1b2c3d', 7), NULL)) AS t (created, user_id, secret, expiry);

-- What cannot be taken over, and why:
CREATE TEMPORARY VIEW moving AS
SELECT t.*, CASE WHEN t.created < :'updated' THEN 'hashed by a former release: knox itself does not accept it any more'
                 WHEN t.expiry <= now() THEN 'it has expired'
                 WHEN NOT u.is_active THEN 'its user is inactive' END AS obstacle
  FROM knox_authtoken t JOIN auth_user u ON u.id = t.user_id;
SELECT token_key, user_id, created, obstacle FROM moving WHERE obstacle IS NOT NULL ORDER BY token_key;

-- Everything else, in one statement:
SELECT count(tokenauth.import('session', 'user:' || user_id, digest, 'sha512', hint => token_key || '…',
           expires_at => coalesce(expiry, 'infinity'), created_at => created)) AS imported
  FROM moving WHERE obstacle IS NULL;

-- The holder notices nothing: the same header, the same token.
SELECT verdict, owner, expires_at FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Token f3a9c1d2' || repeat('0a1b2c3d', 7)));
SELECT verdict, owner, expires_at FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Token app_f3a9c1d3' || repeat('0a1b2c3d', 7)));
-- A token that is not known counts as a token of another system: the request has none.
SELECT verdict FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Token f3a9c1d6' || repeat('0a1b2c3d', 7)));

-- Release 4.2, whose table has a shorter `token_key`:
CREATE SCHEMA release_4_2;
CREATE TABLE release_4_2.knox_authtoken (
    digest varchar(128) NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL,
    user_id integer NOT NULL REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED,
    expiry timestamp with time zone NULL,
    token_key varchar(8) NOT NULL
);
INSERT INTO release_4_2.knox_authtoken (digest, created, user_id, expiry, token_key)
SELECT encode(sha512(decode(secret, 'hex')), 'hex'), '2022-08-01 UTC', 1, NULL, left(secret, 8)
  FROM (VALUES ('e1d2c3b4' || repeat('0a1b2c3d', 7))) AS t (secret);

SELECT count(tokenauth.import('session', 'user:' || user_id, digest, 'sha512-of-hex', hint => token_key || '…',
           expires_at => coalesce(expiry, 'infinity'), created_at => created)) AS imported
  FROM release_4_2.knox_authtoken t JOIN auth_user u ON u.id = t.user_id
 WHERE u.is_active AND (expiry IS NULL OR expiry > now());
SELECT verdict, owner FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Token e1d2c3b4' || repeat('0a1b2c3d', 7)));
-- It reads hexadecimal in capitals too, as knox did.
SELECT verdict, owner FROM tokenauth.verify_request(
    jsonb_build_object('Authorization', 'Token E1D2C3B4' || repeat('0A1B2C3D', 7)));
SELECT owner, hint, created_at FROM tokenauth.tokens ORDER BY created_at;

-- To release 4.1: each row has a salt, and its digest is of both. Such a digest cannot be looked for.
CREATE SCHEMA release_4_1;
CREATE TABLE release_4_1.knox_authtoken (LIKE release_4_2.knox_authtoken, salt varchar(16) NOT NULL UNIQUE);
INSERT INTO release_4_1.knox_authtoken
SELECT encode(sha512(decode('aabbccdd' || salt, 'hex')), 'hex'), '2020-08-01 UTC', 1, NULL, 'aabbccdd', salt
  FROM (VALUES ('0011223344556677')) AS t (salt);
SELECT token_key, user_id, created, 'salted: its holder logs in anew' AS obstacle FROM release_4_1.knox_authtoken;
