-- contains_token() finds tokens in other text by their checksums, known or not, and mask() hides all of each but its hint.
-- Masked text keeps its length and holds no token.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_'), ('bare', '');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT token, id FROM tokenauth.issue('api', 'user:alice') \gset
SELECT token AS bare FROM tokenauth.issue('bare', 'user:alice') \gset

-- what is a token and what only looks like one (<T> stands for a token, <B> for one without prefix)
SELECT text, tokenauth.contains_token(filled) AS found, tokenauth.mask(filled) = filled AS unchanged,
       length(tokenauth.mask(filled)) = length(filled) AS same_length, tokenauth.contains_token(tokenauth.mask(filled)) AS found_after,
       tokenauth.mask(tokenauth.mask(filled)) = tokenauth.mask(filled) AS stable,
       tokenauth.mask(filled) LIKE '%' || substr(:'token', 13, 4) || '%' AS shown
  FROM (VALUES ('<T>'), (' <T> '), ('Bearer <T>'), ('{"key":"<T>"}'), ('/v1?key=<T>&a=b'), ('<T>,<T>'), ('x<T>'), ('x_<T>'), ('<T>_x'), ('<T>-'), ('<T>x'), ('<B>'), ('x<B>'),
               ('é<T>山'), (E'a\n<T>\nb'), ('<T> <T> <B>'), ('no token'), (''), ('api_'), (repeat('a', 49))) AS t (text),
       LATERAL (SELECT replace(replace(text, '<T>', :'token'), '<B>', :'bare') AS filled) f;

-- what is shown is prefix, eight characters and the last four
SELECT tokenauth.mask('key=' || :'token' || ';') = 'key=' || left(:'token', 12) || repeat('*', 37) || right(:'token', 4) || ';' AS as_the_hint;

-- unknown, revoked and deleted tokens are hidden too; a text with one character changed is no token
SELECT tokenauth.delete(:'id');
SELECT tokenauth.contains_token(:'token');
SELECT tokenauth.contains_token(overlay(:'token' placing CASE substr(:'token', 20, 1) WHEN 'a' THEN 'b' ELSE 'a' END from 20));

-- NULL is NULL
SELECT tokenauth.contains_token(NULL), tokenauth.mask(NULL);

-- long texts take time in proportion
SELECT tokenauth.contains_token(repeat('a', 5000000)) AS run, tokenauth.contains_token(repeat('a_', 2500000)) AS words,
       tokenauth.contains_token(repeat('x ', 1000000) || :'token' || repeat(' x', 1000000)) AS found,
       length(tokenauth.mask(repeat(:'token' || ' ', 1000))) AS masked;

-- what the server logs is masked when a superuser switches it on, and for nobody else to switch
SHOW tokenauth.mask_logs;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_tokenauth_visitor;
RESET client_min_messages;
CREATE ROLE regress_tokenauth_visitor;
SET ROLE regress_tokenauth_visitor;
SET tokenauth.mask_logs = on;
\echo :SQLSTATE
RESET ROLE;
DROP ROLE regress_tokenauth_visitor;
SET tokenauth.mask_logs = on;
SHOW tokenauth.mask_logs;
RESET tokenauth.mask_logs;

-- they are pure: usable in an index or a CHECK that keeps tokens out of a column
CREATE TABLE note (text text, CONSTRAINT note_holds_no_token CHECK (NOT tokenauth.contains_token(text)));
INSERT INTO note VALUES ('no token');
\set VERBOSITY terse
INSERT INTO note VALUES ('my key is ' || :'token');
\echo :SQLSTATE
