-- Moving in from the tokens of Django REST framework (rest_framework.authtoken), of every version: its table has them in plain
-- text, so each can be hashed here. The table is that of its migrations 0001 to 0004 (Django REST framework 3.16, the package's
-- own migrations; of auth_user only the columns that matter here). Clients send "Authorization: Token …", and go on doing so.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

CREATE TABLE auth_user (id integer PRIMARY KEY, username varchar(150) NOT NULL UNIQUE, is_active boolean NOT NULL);
CREATE TABLE authtoken_token (
    key varchar(40) NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL,
    user_id integer NOT NULL UNIQUE REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO auth_user VALUES (1, 'ann', true), (2, 'ben', true), (3, 'cem', false);
INSERT INTO authtoken_token VALUES
    ('9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b', '2021-03-01 UTC', 1),
    ('401f7ac837da42b97f613d789819ff93537bee6a', '2022-05-01 UTC', 2),
    ('0123456789abcdef0123456789abcdef01234567', '2023-02-01 UTC', 3);

-- A token acts as its user, so its kind is `live`. What a user may do, the application decides as before: here a user may
-- everything that a token can grant.
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('api', 'myapp_', 'live');
SELECT tokenauth.bind_principals('auth_user', 'user', 'id', active => 'is_active', permissions => $$'{*}'::text[]$$,
    display_name => 'username') AS users;

-- What cannot be taken over, and why:
CREATE TEMPORARY VIEW moving AS
SELECT t.*, u.username, CASE WHEN NOT u.is_active THEN 'its user is inactive, and nobody can act for it' END AS obstacle
  FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id;
SELECT username, created, obstacle FROM moving WHERE obstacle IS NOT NULL;

-- Everything else, in one statement. 'infinity' says that they never expire, whatever the kind says of new ones.
SELECT count(tokenauth.import('api', 'user:' || user_id, encode(sha256(convert_to(key, 'UTF8')), 'hex'), 'sha256',
           hint => left(key, 4) || '…', expires_at => 'infinity', created_at => created)) AS imported
  FROM moving WHERE obstacle IS NULL;

-- The holder notices nothing: the same header, the same token.
SELECT verdict, owner, scopes
  FROM tokenauth.verify_request('{"Authorization": "Token 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"}');
SELECT verdict FROM tokenauth.verify_request('{"Authorization": "Token 0123456789abcdef0123456789abcdef01234567"}');
SELECT owner, hint, created_at, expires_at FROM tokenauth.tokens ORDER BY owner;

-- The old table has every token in the clear, and so have its backups: whoever reads one can use them until they are rotated.
DROP VIEW moving;
DROP TABLE authtoken_token;
