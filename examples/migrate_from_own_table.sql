-- Moving from a token table of your own: an application with users and an api_tokens table of SHA-256 hashes moves to tokenauth
-- in one transaction. Nobody needs a new token, nobody notices, and the old table is dropped.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

-- Where we start: users with a flag that the code had better not forget to check, and their tokens as hashes in hex.
CREATE TABLE users (
    id integer PRIMARY KEY,
    email text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    permissions text[] NOT NULL DEFAULT '{}'
);
CREATE TABLE api_tokens (
    id integer PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users,
    label text,
    token_hash text NOT NULL UNIQUE,
    last_four text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
INSERT INTO users VALUES
    (1, 'ann@example.com', true, '{reports:read,reports:write}'),
    (2, 'ben@example.com', true, '{reports:read}'),
    (3, 'cem@example.com', false, '{reports:read}');
-- What the holders have in their scripts and the old application never stored:
CREATE TEMPORARY TABLE in_the_hands_of_holders (token_id integer, secret text);
INSERT INTO in_the_hands_of_holders
SELECT n, 'myapp-' || md5('secret ' || n) FROM generate_series(1, 8) AS n;
INSERT INTO api_tokens
SELECT t.id, t.user_id, t.label, encode(sha256(convert_to(h.secret, 'UTF8')), 'hex'), right(h.secret, 4), t.scopes, t.created_at, t.expires_at, t.revoked_at
  FROM (VALUES
    (1, 1, 'nightly export', '{reports:read}'::text[], timestamptz '2021-03-01 UTC', NULL::timestamptz, NULL::timestamptz),
    (2, 1, 'uploader', '{reports:read,reports:write}', '2022-05-01 UTC', '2999-01-01 UTC', NULL),
    (3, 1, 'lost laptop', '{reports:write}', '2022-06-01 UTC', NULL, '2023-01-01 UTC'),
    (4, 2, 'dashboard', '{reports:read}', '2023-02-01 UTC', NULL, NULL),
    (5, 2, 'trial', '{reports:read}', '2020-01-01 UTC', '2020-02-01 UTC', NULL),
    (6, 2, 'too much', '{reports:read,reports:write}', '2020-03-01 UTC', NULL, NULL),
    (7, 3, 'of one who left', '{reports:read}', '2021-01-01 UTC', NULL, NULL),
    (8, 2, NULL, '{reports:read}', '2024-01-01 UTC', NULL, NULL)) AS t (id, user_id, label, scopes, created_at, expires_at, revoked_at)
  JOIN in_the_hands_of_holders AS h ON h.token_id = t.id;

-- Step 1: look before you leap. A token that grants more than its owner holds would stop the migration, since import() refuses it.
-- Here there is one: its owner was demoted long ago, and nobody ever cut its scopes.
SELECT t.id, u.email, t.scopes, u.permissions
  FROM api_tokens t JOIN users u ON u.id = t.user_id
 WHERE t.revoked_at IS NULL AND NOT t.scopes <@ u.permissions;

-- Step 2: in one transaction, so that there is no moment at which both sides know a token, or neither does. Deploy it together with
-- the code that calls tokenauth.verify() where it used to query api_tokens. The locks keep others from changing users and tokens.
BEGIN;
LOCK TABLE api_tokens, users IN SHARE ROW EXCLUSIVE MODE;

-- The policy is one row. The prefix applies to tokens issued from now on.
INSERT INTO tokenauth.kind (name, prefix, description) VALUES ('api', 'myapp_', 'tokens of users, taken over from api_tokens');

-- From here on, the users table decides who is active and who may do what, no matter who changes it or how.
SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'is_active', permissions => 'permissions', display_name => 'email') AS users;

-- All living tokens in one statement, each with its old hash. Revoked and expired tokens are not taken over, nor those of inactive
-- users, for whom nothing can be issued. Scopes are cut to what the owner holds: import() is judged like issue() and refuses anything
-- beyond that. 'infinity' says explicitly that a token never expires, so that no default lifetime of the kind applies. The metadata
-- keeps the old id, for log lines and rows that mention it.
CREATE TEMPORARY TABLE taken_over AS
SELECT t.id AS old_id,
       tokenauth.import('api', 'user:' || t.user_id, t.token_hash, 'sha256', name => t.label, hint => 'myapp-…' || t.last_four,
           scopes => ARRAY(SELECT scope FROM unnest(t.scopes) AS scope WHERE scope = ANY (u.permissions)),
           expires_at => coalesce(t.expires_at, 'infinity'), created_at => t.created_at,
           metadata => jsonb_build_object('api_tokens.id', t.id)) AS id
  FROM api_tokens t JOIN users u ON u.id = t.user_id
 WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND u.is_active;

-- Step 3: compare before anything is dropped. Every token that worked still works and has the same owner; no other token works.
SELECT t.id, t.label, v.verdict, v.owner, v.scopes
  FROM api_tokens t JOIN in_the_hands_of_holders h ON h.token_id = t.id, tokenauth.verify(h.secret) v ORDER BY t.id;
SELECT count(*) AS different
  FROM api_tokens t JOIN users u ON u.id = t.user_id JOIN in_the_hands_of_holders h ON h.token_id = t.id, tokenauth.verify(h.secret) v
 WHERE v.ok <> (t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND u.is_active)
    OR v.owner <> 'user:' || t.user_id;
-- Only this example has the secrets. In reality you have only the hashes, as you should, and verify those.
SELECT v.verdict, count(*) FROM api_tokens t, tokenauth.verify_digest(NULL, decode(t.token_hash, 'hex')) v GROUP BY v.verdict ORDER BY v.verdict;

-- Step 4: drop the old table, and with it the only other copy of the hashes.
DROP TABLE api_tokens;
COMMIT;

-- Where we are now. The application passes on the header that it received; holders send the same header with the same token.
SELECT v.verdict, v.http_status, v.owner, v.name, v.metadata
  FROM in_the_hands_of_holders h, tokenauth.verify_request(jsonb_build_object('Authorization', 'Bearer ' || h.secret), '{reports:read}') v
 WHERE h.token_id = 1;
-- No token grants a scope that it did not grant before, and what was refused is still refused.
SELECT h.token_id, v.verdict, v.http_status
  FROM in_the_hands_of_holders h, tokenauth.verify(h.secret, '{reports:write}') v ORDER BY h.token_id;
-- Lists show the tokens by the names that users know, with the day on which they were created.
SELECT owner, name, hint LIKE 'myapp-…____' AS hint, status, created_at::date AS created, expires_at::date AS expires, last_used_at IS NOT NULL AS used
  FROM tokenauth.tokens ORDER BY owner, created_at;
-- The history shows where they came from.
SELECT event, count(*) FROM tokenauth.events WHERE token_id IN (SELECT id FROM taken_over) GROUP BY event;

-- What the old table could not do: when a user is deactivated, no token of the user works, even within the same transaction …
BEGIN;
UPDATE users SET is_active = false WHERE id = 2;
SELECT h.token_id, v.verdict FROM in_the_hands_of_holders h, tokenauth.verify(h.secret) v WHERE h.token_id IN (4, 6, 8) ORDER BY h.token_id;
ROLLBACK;
-- … a permission that the user loses is lost by the token as well …
UPDATE users SET permissions = '{reports:read}' WHERE id = 1;
SELECT v.scopes FROM in_the_hands_of_holders h, tokenauth.verify(h.secret) v WHERE h.token_id = 2;
-- … a token that is revoked is refused at once …
SELECT tokenauth.revoke(id, 'not needed any more', 'user:2') FROM taken_over WHERE old_id = 4;
SELECT v.verdict, v.http_status FROM in_the_hands_of_holders h, tokenauth.verify(h.secret) v WHERE h.token_id = 4;
-- … and an old token is exchanged for one of the new form when its holder is ready: both work for a week.
SELECT i.token AS successor, i.token ~ '^myapp_[0-9A-Za-z]{49}$' AS new_form FROM taken_over o, tokenauth.rotate(o.id, grace => '7 days', actor => 'user:1') i WHERE o.old_id = 1 \gset
SELECT :'new_form' AS new_form;
SELECT v.verdict, v.name FROM tokenauth.verify(:'successor') v;
SELECT v.verdict, v.expires_at < now() + interval '8 days' AS ends FROM in_the_hands_of_holders h, tokenauth.verify(h.secret) v WHERE h.token_id = 1;
-- Which holders have not exchanged theirs:
SELECT owner, name FROM tokenauth.tokens
 WHERE status = 'active' AND hint LIKE 'myapp-%' AND tokenauth.rotation_status(id) IS NULL ORDER BY owner, name;

-- If the import is run twice by mistake, nothing is taken over twice: the whole statement is refused.
SELECT tokenauth.import('api', 'user:1', encode(sha256(convert_to(secret, 'UTF8')), 'hex'), 'sha256') IS NULL AS never
  FROM in_the_hands_of_holders WHERE token_id = 2;
\echo :SQLSTATE
