-- Tokens of an older system live on: it kept a digest of each, import() takes the digest over, and holders notice nothing.
-- The digest is SHA-256 or SHA-512, in hex, of the whole text that a holder presents; no message ever shows one.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('key', 'key_', '{user,org}');
INSERT INTO tokenauth.kind (name, prefix, max_lifetime, name_required, max_active_per_owner) VALUES ('strict', 'strict_', '1 year', true, 2);
SELECT tokenauth.put_principal('user:' || id, '{devices:read,devices:write}') FROM generate_series(1, 3) id;
SELECT tokenauth.put_principal('user:gone', active => false);

-- before the first import a text of no form of ours is malformed, and no table of tokens is read for it
SELECT verdict, http_status FROM tokenauth.verify('old-secret-1');

-- a whole table is taken over in one statement
CREATE TABLE api_tokens (user_id int, label text, token_hash text, scopes text[], made timestamptz, ends timestamptz);
INSERT INTO api_tokens
SELECT n, 'laptop ' || n, encode(sha256(convert_to('old-secret-' || n, 'UTF8')), 'hex'), '{devices:read}',
       '2020-01-01 UTC', CASE n WHEN 3 THEN '2999-01-01 UTC'::timestamptz END
  FROM generate_series(1, 3) n;
CREATE TABLE taken AS
SELECT user_id, tokenauth.import('key', 'user:' || user_id, token_hash, 'sha256', name => label, hint => 'old…' || user_id,
           scopes => scopes, expires_at => coalesce(ends, 'infinity'), created_at => made, metadata => '{"from": "api_tokens"}') AS id
  FROM api_tokens;

-- every holder goes on as before
SELECT n, v.verdict, v.owner, v.name, v.scopes, v.expires_at AT TIME ZONE 'UTC' AS expires_at, v.metadata, v.token_id = t.id AS same
  FROM generate_series(1, 3) n JOIN taken t ON t.user_id = n, tokenauth.verify('old-secret-' || n) v ORDER BY n;
SELECT verdict, detail FROM tokenauth.verify('old-secret-1', '{devices:write}');
SELECT verdict FROM tokenauth.verify_request('{"Authorization": "Bearer old-secret-2"}');
SELECT status, hint, owner, name, created_at AT TIME ZONE 'UTC' AS created_at, request_count
  FROM tokenauth.tokens ORDER BY owner;

-- remembered or not: many verifications in one session agree
SELECT verdict, count(*) FROM generate_series(1, 5) n, LATERAL tokenauth.verify('old-secret-' || 1 + 0 * n) v GROUP BY verdict;

-- now a text that is none of ours may be one of theirs, from 8 to 512 bytes
SELECT verdict FROM tokenauth.verify('old-secret-4');
SELECT verdict FROM tokenauth.verify('old-sec');
SELECT verdict FROM tokenauth.verify(repeat('x', 512));
SELECT verdict FROM tokenauth.verify(repeat('x', 513));
SELECT verdict FROM tokenauth.verify('');
SELECT verdict FROM tokenauth.verify('old-secret-1 ');

-- SHA-512 beside SHA-256, the digest in capitals
SELECT tokenauth.import('key', 'user:1', upper(encode(sha512('another secret'), 'hex')), 'sha512', name => 'phone') IS NOT NULL AS imported;
SELECT verdict, name FROM tokenauth.verify('another secret');
SELECT verdict, name FROM tokenauth.verify('old-secret-1');
SELECT verdict FROM tokenauth.verify('yet another secret');

-- an application that hashes by itself has no lookup to give
SELECT verdict, name FROM tokenauth.verify_digest(NULL, sha256('old-secret-1'));
SELECT verdict, name FROM tokenauth.verify_digest(NULL, sha512('another secret'));
SELECT verdict FROM tokenauth.verify_digest(NULL, sha256('another secret'));

-- a token of another tokenauth database has our form, and a lookup that is not known here: it is found by its digest
SELECT 'sk_00000000001xN7UTTg5Tw1SMNEq6UzRLxGeZdOxd43c2uVZzN' AS theirs, '00000000000igiC6puT91CiYPHaJZlo5KKuWW8JXMaH39rhFN' AS others \gset
SELECT verdict FROM tokenauth.verify(:'theirs');
SELECT tokenauth.import('key', 'user:1', encode(sha256(:'theirs'), 'hex'), 'sha256', name => 'theirs') AS theirs_id,
       tokenauth.import('key', 'user:1', encode(sha512(:'others'), 'hex'), 'sha512', name => 'others') AS others_id \gset
SELECT verdict, name FROM tokenauth.verify(:'theirs');
SELECT verdict, name FROM tokenauth.verify(:'others');
SELECT verdict, name FROM tokenauth.verify_request(jsonb_build_object('X-API-Key', :'theirs'));
SELECT verdict, name FROM tokenauth.verify_digest(left(:'theirs', 14), sha256(:'theirs'));
SELECT verdict, name FROM tokenauth.verify_digest(NULL, sha256(:'theirs'));
SELECT * FROM tokenauth.explain(:'theirs') WHERE step IN ('form', 'known');
CREATE TABLE pasted AS SELECT :'theirs'::text AS body;
SELECT s.token_id = :'theirs_id' AS same, s.owner, s.status FROM tokenauth.scan_column('pasted', 'body') s;
SELECT tokenauth.revoke_presented(:'theirs'), tokenauth.revoke_presented(:'others');
SELECT verdict FROM unnest(ARRAY[:'theirs', :'others']) text, tokenauth.verify(text);

-- tokens of our own are ours, as ever
SELECT v.verdict, v.name FROM tokenauth.issue('key', 'user:1', 'new') i, tokenauth.verify(i.token) v;

-- explain() knows it by its text
SELECT * FROM tokenauth.explain('old-secret-1') WHERE step IN ('form', 'known');
SELECT * FROM tokenauth.explain('old-secret-4') WHERE step IN ('form', 'known');

-- its successor is a token of ours
SELECT i.token LIKE 'key\_%' AS ours, v.verdict, v.name
  FROM taken t, tokenauth.rotate(t.id, grace => '1 hour') i, tokenauth.verify(i.token) v WHERE t.user_id = 1;
SELECT verdict FROM tokenauth.verify('old-secret-1');

-- an imported token lives and dies like any other
SELECT (tokenauth.edit(id, scopes => '{devices:*}')).scopes FROM taken WHERE user_id = 2;
\echo :SQLSTATE
SELECT (tokenauth.edit(id, scopes => '{devices:write}')).scopes FROM taken WHERE user_id = 2;
SELECT scopes FROM tokenauth.verify('old-secret-2');
SELECT tokenauth.revoke_presented('old-secret-2');
SELECT tokenauth.revoke_presented('another secret', 'lost');
SELECT tokenauth.revoke_presented('never heard of');
SELECT verdict FROM tokenauth.verify('old-secret-2');
SELECT verdict FROM tokenauth.verify('another secret');
SELECT tokenauth.revoke(id) FROM taken WHERE user_id = 3;
SELECT verdict FROM tokenauth.verify('old-secret-3');

-- history knows where it came from, and not the digest
SELECT event, owner, after FROM tokenauth.events WHERE event = 'token.imported' ORDER BY id;
SELECT count(*) FROM tokenauth.events e, api_tokens a WHERE e::text ILIKE '%' || left(a.token_hash, 8) || '%';

-- a digest is taken over once; not even that of a dead token comes back to life
SELECT tokenauth.import('key', 'user:1', token_hash, 'sha256') FROM api_tokens WHERE user_id = 1;
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:1', upper(token_hash), 'sha256') FROM api_tokens WHERE user_id = 3;
\echo :SQLSTATE

-- a malformed digest is refused without being repeated
SELECT tokenauth.import('key', 'user:1', 'abc', 'sha256');
\echo :SQLSTATE
\set VERBOSITY terse
SELECT tokenauth.import('key', 'user:1', repeat('g', 64), 'sha256');
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha512');
SELECT tokenauth.import('key', 'user:1', repeat('a', 128), 'sha256');
SELECT tokenauth.import('key', 'user:1', '\x' || repeat('a', 64), 'sha256');
\echo :SQLSTATE
\set VERBOSITY default
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'hmac-sha256');
\echo :SQLSTATE
\set VERBOSITY terse
SELECT tokenauth.import('key', 'user:1', repeat('a', 32), 'md5');
SELECT tokenauth.import('key', 'user:1', NULL, 'sha256');
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), NULL);
\echo :SQLSTATE
SELECT tokenauth.import(NULL, 'user:1', repeat('a', 64), 'sha256');
SELECT tokenauth.import('key', NULL, repeat('a', 64), 'sha256');
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256', actor => NULL);

-- a digest of nothing, which a migration makes where there was no token, is nobody's token
\set VERBOSITY default
SELECT tokenauth.import('key', 'user:1', encode(sha256(''), 'hex'), 'sha256');
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:1', encode(sha512('undefined'), 'hex'), 'sha512');
\echo :SQLSTATE
\set VERBOSITY terse

-- a hint is shown in every list: it cannot be the token itself
SELECT tokenauth.import('key', 'user:1', encode(sha256('s3cr3t-from-before'), 'hex'), 'sha256', hint => 's3cr3t-from-before');
\echo :SQLSTATE

-- judged like issue(): kind, owner, what it holds, name, lifetime, how many
SELECT tokenauth.import('none', 'user:1', repeat('a', 64), 'sha256');
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:nobody', repeat('a', 64), 'sha256');
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:gone', repeat('a', 64), 'sha256');
\echo :SQLSTATE
SELECT tokenauth.import('strict', 'org:1', repeat('a', 64), 'sha256');
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256', scopes => '{devices:*}');
\echo :SQLSTATE
SELECT tokenauth.import('strict', 'user:1', repeat('a', 64), 'sha256');
\echo :SQLSTATE
SELECT tokenauth.import('strict', 'user:1', repeat('a', 64), 'sha256', name => 'n', expires_at => now() + interval '2 years');
SELECT tokenauth.import('strict', 'user:1', repeat('a', 64), 'sha256', name => 'n', expires_at => 'infinity');
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256', expires_at => '2020-01-01');
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256', created_at => now() + interval '1 day');
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256', created_at => '-infinity');
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256', name => repeat('n', 256));
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256', hint => repeat('h', 256));
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256', metadata => '[]');
SELECT count(tokenauth.import('strict', 'user:1', repeat(n::text, 64), 'sha256', name => 'n')) FROM generate_series(1, 2) n;
SELECT tokenauth.import('strict', 'user:1', repeat('a', 64), 'sha256', name => 'n');
\echo :SQLSTATE

-- an actor takes over for itself, and for nobody else
SELECT tokenauth.import('key', 'user:2', repeat('b', 64), 'sha256', actor => 'user:2') IS NOT NULL AS imported;
SELECT tokenauth.import('key', 'user:1', repeat('c', 64), 'sha256', actor => 'user:2');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:2', '{devices:read}');
SELECT tokenauth.import('key', 'user:2', repeat('c', 64), 'sha256', scopes => '{devices:write}', actor => 'user:2');
\echo :SQLSTATE

-- a digest that no text has harms nobody
SELECT tokenauth.import('key', 'user:1', repeat('0', 64), 'sha256') IS NOT NULL AS imported;

-- an import that is rolled back has not happened, and what was learned within it is forgotten
BEGIN;
SELECT tokenauth.import('key', 'user:1', encode(sha256('rolled back'), 'hex'), 'sha256') IS NOT NULL AS imported;
SELECT verdict FROM tokenauth.verify('rolled back');
ROLLBACK;
SELECT verdict FROM tokenauth.verify('rolled back');

-- import() is for trusted calls: access `self` does not include it
CREATE ROLE regress_tokenauth_self;
SELECT tokenauth.grant_access('regress_tokenauth_self', 'self');
SET ROLE regress_tokenauth_self;
SELECT tokenauth.import('key', 'user:1', repeat('b', 64), 'sha256');
\echo :SQLSTATE
RESET ROLE;
SELECT tokenauth.revoke_access('regress_tokenauth_self', access) FROM unnest('{self,verify}'::text[]) access;
REVOKE USAGE ON SCHEMA tokenauth FROM regress_tokenauth_self;
DROP OWNED BY regress_tokenauth_self;
DROP ROLE regress_tokenauth_self;
