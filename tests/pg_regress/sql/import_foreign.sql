-- Older systems hash a part of the text, or the bytes that it spells. import() takes the algorithm by its name, and a text is
-- compared by that algorithm alone. Digests under a key need the key file: see the tests of keys.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
SELECT tokenauth.put_principal('user:1', '{devices:read}');

-- what follows the first bar
SELECT tokenauth.import('key', 'user:1', encode(sha256('plain-secret'), 'hex'), 'sha256-after-bar', name => 'bar') IS NOT NULL AS imported;
SELECT text, v.verdict, v.name
  FROM unnest('{12|plain-secret,7|plain-secret,|plain-secret,plain-secret,12|plain-secre,1|2|plain-secret}'::text[]) WITH ORDINALITY t (text, n),
       tokenauth.verify(text) v ORDER BY n;
SELECT tokenauth.import('key', 'user:1', encode(sha256('a|b'), 'hex'), 'sha256-after-bar', name => 'two bars') IS NOT NULL AS imported;
SELECT verdict, name FROM tokenauth.verify('12345|a|b');

-- the bytes that hexadecimal spells, in either case
SELECT tokenauth.import('key', 'user:1', encode(sha512('\x00112233445566778899aabbccddeeff'), 'hex'), 'sha512-of-hex', name => 'hex') IS NOT NULL AS imported;
SELECT text, v.verdict, v.name
  FROM unnest('{00112233445566778899aabbccddeeff,00112233445566778899AABBCCDDEEFF,00112233445566778899aabbccddeef,00112233445566778899aabbccddeefg}'::text[])
       WITH ORDINALITY t (text, n), tokenauth.verify(text) v ORDER BY n;

-- a text is compared only by the algorithm that its row names: whole texts find nothing of the above, though there are such imports
SELECT tokenauth.import('key', 'user:1', encode(sha256('another secret'), 'hex'), 'sha256', name => 'whole') IS NOT NULL AS imported,
       tokenauth.import('key', 'user:1', encode(sha512('yet another secret'), 'hex'), 'sha512', name => 'whole, long') IS NOT NULL AS imported;
SELECT text, v.verdict, v.name
  FROM unnest('{another secret,yet another secret,plain-secret,1|another secret,1|plain-secret,plain-secret}'::text[]) WITH ORDINALITY t (text, n),
       tokenauth.verify(text) v ORDER BY n;
-- so the same digest can be that of two tokens, each presented in its own way
SELECT tokenauth.import('key', 'user:1', encode(sha256('plain-secret'), 'hex'), 'sha256', name => 'no bar') IS NOT NULL AS imported;
SELECT text, v.verdict, v.name FROM unnest('{plain-secret,1|plain-secret}'::text[]) text, tokenauth.verify(text) v ORDER BY v.name;

-- an application that hashes by itself gives the digest
SELECT verdict, name FROM tokenauth.verify_digest(NULL, sha512('\x00112233445566778899aabbccddeeff'));
SELECT verdict, name FROM tokenauth.verify_digest(NULL, sha256('a|b'));

-- it comes in headers as it always came
SELECT verdict, name FROM tokenauth.verify_request('{"Authorization": "Bearer 12|plain-secret"}');
SELECT verdict, name FROM tokenauth.verify_request('{"Authorization": "Token 00112233445566778899aabbccddeeff"}');
SELECT verdict FROM tokenauth.verify_request('{"Authorization": "Token 00112233445566778899aabbccddee00"}');

-- and lives and dies like any other
SELECT step, passed, reason FROM tokenauth.explain('12|plain-secret') WHERE step IN ('form', 'known');
SELECT tokenauth.revoke_presented('12|plain-secret');
SELECT verdict FROM tokenauth.verify('7|plain-secret');
SELECT verdict FROM tokenauth.verify('plain-secret');
SELECT name, status FROM tokenauth.tokens ORDER BY name;

-- a digest is taken over once for each algorithm
\set VERBOSITY terse
SELECT tokenauth.import('key', 'user:1', encode(sha256('plain-secret'), 'hex'), 'sha256-after-bar');
\echo :SQLSTATE
-- what is malformed, hashes nothing, or would be shown in every list
\set VERBOSITY default
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha512-of-hex');
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:1', encode(sha256(''), 'hex'), 'sha256-after-bar');
\echo :SQLSTATE
\set VERBOSITY terse
SELECT tokenauth.import('key', 'user:1', encode(sha512(''), 'hex'), 'sha512-of-hex');
SELECT tokenauth.import('key', 'user:1', encode(sha256('s3cr3t-from-before'), 'hex'), 'sha256-after-bar', hint => '3|s3cr3t-from-before');
SELECT tokenauth.import('key', 'user:1', encode(sha256('s3cr3t-from-before'), 'hex'), 'sha256-after-bar', hint => 's3cr3t-from-before');
\echo :SQLSTATE
-- algorithms that there are not
SELECT name, tokenauth.import('key', 'user:1', repeat('a', 64), name) FROM unnest('{sha256-after-dot}'::text[]) name;
\echo :SQLSTATE
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'hmac-sha256:');
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'hmac-sha256:a b');
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'sha256:k');
-- a key that is not in the key file
\set VERBOSITY default
SELECT tokenauth.import('key', 'user:1', repeat('a', 64), 'hmac-sha256-after-dot:netbox-1');
\echo :SQLSTATE

-- the names are stored, and no other can be
SELECT algorithm FROM tokenauth.import ORDER BY algorithm COLLATE "C";
SELECT algorithm, count(*) FROM tokenauth.token GROUP BY algorithm ORDER BY algorithm COLLATE "C";
INSERT INTO tokenauth.import VALUES ('md5');
\echo :SQLSTATE
