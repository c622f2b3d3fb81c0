-- Scanners find tokens by scan_pattern(), and report them in the form of GitHub's partner programme to report_leak(), which revokes
-- those that are ours and tells which these were.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'acme_'), ('dashed', 'my-app_v2-'), ('bare', '');
SELECT tokenauth.put_principal('user:alice', '{devices:*}');
SELECT id, token FROM tokenauth.issue('api', 'user:alice', 'laptop') \gset
SELECT token AS dashed FROM tokenauth.issue('dashed', 'user:alice') \gset

-- the pattern is made of literals, classes and bounded repetitions
SELECT tokenauth.scan_pattern('api');
-- it finds tokens of its kind wherever they are, as they are
SELECT (regexp_match('curl -H "Authorization: Bearer ' || :'token' || '"; echo', tokenauth.scan_pattern('api')))[1] = :'token' AS in_a_header,
       (regexp_match('https://x.example/?key=' || :'token' || '&x=1', tokenauth.scan_pattern('api')))[1] = :'token' AS in_a_path,
       (regexp_match(:'dashed', tokenauth.scan_pattern('dashed')))[1] = :'dashed' AS with_dashes,
       :'dashed' ~ tokenauth.scan_pattern('api') AS of_another_kind;
-- … and those derived from them: public part, caveats, signature, joined by dots
SELECT n, (regexp_match('x ' || child || ' y', tokenauth.scan_pattern('api')))[1] = child AS whole
  FROM (VALUES (1, 1), (2, 60), (3, 63), (4, 64), (5, 255), (6, 256), (7, 1000), (8, 1500), (9, 1943)) s (n, length),
       LATERAL (SELECT left(:'token', 16) || '.' || repeat('e', s.length) || '.' || repeat('Z', 86) AS child) c
 ORDER BY n;
-- … but no hash, no other prefix, nothing too short
SELECT text ~ tokenauth.scan_pattern('api') AS found
  FROM (VALUES (encode(sha256('acme_'), 'hex')), (substr(:'token', 6)), (left(:'token', -1)), ('acme' || substr(:'token', 6)), ('')) t (text);
-- … a near-token is found too, and told by its checksum
SELECT text ~ tokenauth.scan_pattern('api') AS found, tokenauth.contains_token(text) AS is_token
  FROM (VALUES (:'token'), (left(:'token', -1) || CASE right(:'token', 1) WHEN 'a' THEN 'b' ELSE 'a' END)) t (text);
SELECT tokenauth.scan_pattern('bare');
\echo :SQLSTATE
SELECT tokenauth.scan_pattern('nonsense');
\echo :SQLSTATE
SELECT tokenauth.scan_pattern(NULL);
\echo :SQLSTATE

-- a report: tokens of ours, alive and dead, an imported one, and others
SELECT id AS dead_id, token AS dead FROM tokenauth.issue('api', 'user:alice', 'dead') \gset
SELECT tokenauth.revoke(:'dead_id', 'before');
SELECT tokenauth.import('api', 'user:alice', encode(sha256('a token of another system'), 'hex'), 'sha256', name => 'imported') AS imported_id \gset
CREATE TABLE answer AS
SELECT tokenauth.report_leak(jsonb_build_array(
           jsonb_build_object('token', :'token', 'type', 'acme_token', 'url', 'https://github.com/acme/x/blob/1/.env', 'source', 'content'),
           jsonb_build_object('token', :'dead', 'type', 'acme_token', 'url', '', 'source', 'commit'),
           jsonb_build_object('token', 'a token of another system', 'type', 'old'),
           jsonb_build_object('token', 'nonsense', 'type', 'acme_token', 'url', NULL, 'source', 'content'),
           jsonb_build_object('token', 'acme_00000000000000000000000000000000000000000000000000'))) AS answer;
SELECT e.n, one ->> 'token_type' AS token_type, one ->> 'label' AS label,
       one ->> 'token_hash' = encode(sha256((ARRAY[:'token', :'dead', 'a token of another system', 'nonsense'])[e.n]::bytea), 'base64') AS hash,
       (SELECT array_agg(key ORDER BY key) FROM jsonb_object_keys(one) key) AS members
  FROM answer, jsonb_array_elements(answer) WITH ORDINALITY e (one, n) ORDER BY e.n;
SELECT name, status, revoke_reason FROM tokenauth.tokens WHERE name IS NOT NULL ORDER BY name;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT e.event, t.name, e.after FROM tokenauth.events e JOIN tokenauth.tokens t ON t.id = e.token_id WHERE e.event IN ('token.leaked', 'token.revoked') ORDER BY t.name, e.id;
-- no text of a token comes back or is kept
SELECT position(:'token' IN answer::text) AS in_answer, (SELECT count(*) FROM tokenauth.events e WHERE to_jsonb(e)::text LIKE '%' || substr(:'token', 20) || '%') AS in_events FROM answer;
-- the same once more tells the same
SELECT tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', :'token'))) -> 0 ->> 'label' AS label;
-- the same token twice in one report
SELECT id AS twice_id, token AS twice FROM tokenauth.issue('api', 'user:alice', 'twice') \gset
SELECT jsonb_path_query_array(tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', :'twice', 'url', repeat('ä', 3000)), jsonb_build_object('token', :'twice')), 'found'), '$[*].label');
SELECT event, octet_length(after ->> 'url') AS kept, after ->> 'reason' AS reason FROM tokenauth.events WHERE token_id = :'twice_id' AND event <> 'token.issued' ORDER BY id;
SELECT tokenauth.report_leak('[]');
-- a derived token dies alone, also while its kind has none; and no address keeps a token
UPDATE tokenauth.kind SET derivable = true;
SELECT token AS parent, id AS parent_id FROM tokenauth.issue('api', 'user:alice', 'parent') \gset
SELECT tokenauth.derive(:'parent', label => 'one') AS one, tokenauth.derive(:'parent', label => 'two') AS two \gset
SELECT tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', :'one', 'type', :'parent', 'url', 'https://example.com/?key=' || :'parent')))
       @? '$ ? (@.label == "true_positive")' AS is_ours;
SELECT (SELECT verdict FROM tokenauth.verify(:'parent')) AS parent, (SELECT verdict FROM tokenauth.verify(:'one')) AS one,
       (SELECT verdict FROM tokenauth.verify(:'two')) AS two;
SELECT event, after ->> 'label' AS label, after::text LIKE '%' || substr(:'parent', 20) || '%' AS has_token
  FROM tokenauth.events WHERE token_id = :'parent_id' AND event <> 'token.issued' ORDER BY id;
UPDATE tokenauth.kind SET derivable = false;
SELECT tokenauth.revoke_presented(:'two');
UPDATE tokenauth.kind SET derivable = true;
SELECT verdict FROM tokenauth.verify(:'two');

-- what was copied with a line end or a blank is the same token, for who reports it and for who presents it
SELECT token AS copied FROM tokenauth.issue('api', 'user:alice', 'copied') \gset
SELECT token AS pasted FROM tokenauth.issue('api', 'user:alice', 'pasted') \gset
SELECT tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', E' ' || :'copied' || E'\r\n'))) @? '$ ? (@.label == "true_positive")' AS is_ours;
SELECT tokenauth.revoke_presented(:'pasted' || E'\t\n');
SELECT (SELECT verdict FROM tokenauth.verify(:'copied')) AS copied, (SELECT verdict FROM tokenauth.verify(:'pasted')) AS pasted;
-- all that has a text dies by it, whatever answers first: a purge removes one row after the other
SELECT token AS shared FROM tokenauth.issue('api', 'user:alice', 'shared') \gset
SELECT count(*) FROM (SELECT tokenauth.import('api', 'user:alice', encode(sha256(convert_to(text, 'UTF8')), 'hex'), 'sha256') FROM (VALUES ('old-secret-77')) v (text)
                      UNION ALL SELECT tokenauth.import('api', 'user:alice', encode(sha512(convert_to(text, 'UTF8')), 'hex'), 'sha512') FROM (VALUES ('old-secret-77'), (:'shared')) v (text)) i;
SELECT tokenauth.revoke_presented('old-secret-77'), tokenauth.revoke_presented(:'shared');
SELECT tokenauth.purge('0') > 0 AS purged;
SELECT (SELECT verdict FROM tokenauth.verify('old-secret-77')) AS import, (SELECT verdict FROM tokenauth.verify(:'shared')) AS token;

-- what is no report, whole or in part, revokes nothing
SELECT token AS alive FROM tokenauth.issue('api', 'user:alice', 'alive') \gset
\set VERBOSITY terse
SELECT tokenauth.report_leak(NULL);
\echo :SQLSTATE
SELECT tokenauth.report_leak('{"token": "x"}');
\echo :SQLSTATE
SELECT tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', :'alive'), 'x'));
\echo :SQLSTATE
SELECT tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', :'alive'), jsonb_build_object('token', 7)));
\echo :SQLSTATE
SELECT tokenauth.report_leak((SELECT jsonb_agg(jsonb_build_object('token', :'alive')) FROM generate_series(1, 1001)));
\echo :SQLSTATE
SELECT verdict FROM tokenauth.verify(:'alive');
-- under an identity nobody reports
BEGIN;
SELECT tokenauth.authenticate(:'alive');
SELECT tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', :'alive')));
\echo :SQLSTATE
ROLLBACK;
