-- Moving in from djangorestframework-api-key. The table is that of its migrations 0001 to 0005 (release 3.1.0). Release 3 stores
-- "sha512$$" and the SHA-512 of the whole key, which can be taken over. Releases 1 and 2 used Django's password hashers, which are
-- salted and slow, so that nobody can look for a key by its hash: those keys cannot be taken over. Release 3 replaces such a hash
-- when its key is next used, so what is left are keys that nobody has used since. Clients send "Authorization: Api-Key …".
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
SET DateStyle = ISO;

CREATE TABLE rest_framework_api_key_apikey (
    id varchar(150) NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL,
    name varchar(50) NOT NULL,
    revoked boolean NOT NULL,
    expiry_date timestamp with time zone NULL,
    hashed_key varchar(150) NOT NULL,
    prefix varchar(8) NOT NULL UNIQUE
);
INSERT INTO rest_framework_api_key_apikey (id, created, name, revoked, expiry_date, hashed_key, prefix)
SELECT prefix || '.' || hash, created, name, revoked, expires, hash, prefix
  FROM (VALUES
    ('Aa1Bb2Cc', 'sha512$$' || encode(sha512('Aa1Bb2Cc.oJ3mZ0y1oJ3mZ0y1oJ3mZ0y1oJ3mZ0y1'), 'hex'),
     timestamptz '2024-03-01 UTC', 'collector', false, NULL::timestamptz),
    ('Dd3Ee4Ff', 'sha512$$' || encode(sha512('Dd3Ee4Ff.kQ7nX2w5kQ7nX2w5kQ7nX2w5kQ7nX2w5'), 'hex'),
     '2024-04-01 UTC', 'exporter', false, '2999-01-01 UTC'),
    ('Gg5Hh6Ii', 'sha512$$' || encode(sha512('Gg5Hh6Ii.rT9pV4u8rT9pV4u8rT9pV4u8rT9pV4u8'), 'hex'),
     '2024-05-01 UTC', 'lost', true, NULL),
    ('Jj7Kk8Ll', 'pbkdf2_sha256$260000$c2FsdHNhbHRzYWx0$yJ5PqV2Qm0l5c3V5Y1kzbXJ0b2tlbmF1dGhleGE9',
     '2020-06-01 UTC', 'forgotten', false, NULL)) AS k (prefix, hash, created, name, revoked, expires);

INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('api-key', 'myapp_', '{service}');

-- What cannot be taken over, and why:
CREATE TEMPORARY VIEW moving AS
SELECT *, CASE WHEN revoked THEN 'it was revoked'
               WHEN expiry_date <= now() THEN 'it has expired'
               WHEN hashed_key NOT LIKE 'sha512$$%' THEN 'a salted password hash of release 1 or 2: issue a new one' END AS obstacle
  FROM rest_framework_api_key_apikey;
SELECT prefix, name, obstacle FROM moving WHERE obstacle IS NOT NULL ORDER BY prefix;

-- These keys belong to no user. Each gets a principal of its own, which may do what the application lets a key do.
SELECT count(*) AS principals
  FROM moving, tokenauth.put_principal('service:' || prefix, '{*}', display_name => name) WHERE obstacle IS NULL;

-- Everything else, in one statement:
SELECT count(tokenauth.import('api-key', 'service:' || prefix, split_part(hashed_key, '$$', 2), 'sha512', name => name,
           hint => prefix || '.…', expires_at => coalesce(expiry_date, 'infinity'), created_at => created)) AS imported
  FROM moving WHERE obstacle IS NULL;

-- The holder notices nothing: the same header, the same key.
SELECT verdict, owner, name
  FROM tokenauth.verify_request('{"Authorization": "Api-Key Aa1Bb2Cc.oJ3mZ0y1oJ3mZ0y1oJ3mZ0y1oJ3mZ0y1"}');
SELECT verdict FROM tokenauth.verify_request('{"Authorization": "Api-Key Gg5Hh6Ii.rT9pV4u8rT9pV4u8rT9pV4u8rT9pV4u8"}');
SELECT owner, name, hint, created_at, expires_at FROM tokenauth.tokens ORDER BY owner;
