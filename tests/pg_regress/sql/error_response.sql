-- error_response() makes of a verdict what to answer over HTTP: status, headers and a body in the style of the token's kind.
-- A stranger gets one body for every 401, and nothing the verdict knows but he must not.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_inactive, error_style) VALUES
    ('uniform', 'u_', 'suspend', 'uniform'), ('coded', 'c_', 'suspend', 'coded'), ('problem', 'p_', 'suspend', 'problem');
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT tokenauth.put_principal('user:gone', '{devices:read}');
CREATE TABLE answer (style text, wanted text, v tokenauth.verification);
CREATE TABLE held AS
SELECT k.name AS kind, w.wanted, i.token, i.id
  FROM tokenauth.kind k,
       (VALUES ('revoked'), ('disabled'), ('not_yet_valid'), ('expired'), ('owner_inactive'), ('network_denied'), ('insufficient_scope'), ('valid')) w (wanted),
       LATERAL tokenauth.issue(k.name, CASE wanted WHEN 'owner_inactive' THEN 'user:gone' ELSE 'user:alice' END,
           expires_in => CASE WHEN wanted = 'expired' THEN interval '1 millisecond' END,
           not_before => CASE WHEN wanted = 'not_yet_valid' THEN now() + '1 day' END,
           networks => CASE WHEN wanted = 'network_denied' THEN '{10.0.0.0/8}'::text[] END) i;
SELECT count(tokenauth.revoke(id)) FROM held WHERE wanted = 'revoked';
SELECT count(tokenauth.disable(id)) FROM held WHERE wanted = 'disabled';
SELECT tokenauth.deactivate('user:gone', 'left "for good"');
SELECT pg_sleep(0.01);
INSERT INTO answer SELECT kind, wanted, tokenauth.verify(token, CASE WHEN wanted = 'insufficient_scope' THEN '{devices:read,devices:write,admin}'::text[] ELSE '{}' END) FROM held;
INSERT INTO answer SELECT 'default', 'missing', tokenauth.verify(NULL);
INSERT INTO answer SELECT 'default', 'malformed', tokenauth.verify('x');
INSERT INTO answer SELECT 'default', 'ambiguous', tokenauth.verify_request('{"X-API-Key": ["a", "b"]}');

-- status, headers and body of every verdict in every style
SELECT style, wanted, (v).verdict = wanted AS so_it_is, r -> 'status' AS status, r -> 'headers' AS headers, (r -> 'body') - 'correlationId' AS body,
       r -> 'body' ->> 'correlationId' = (v).correlation_id AS same_id
  FROM answer, LATERAL tokenauth.error_response(v) r
 WHERE wanted <> 'valid'
 ORDER BY style, wanted;

-- every 401 for a presented token is the same but for its correlation id
SELECT style, count(DISTINCT jsonb_set(r, '{body,correlationId}', '""')) AS answers, count(*) AS verdicts
  FROM answer, LATERAL tokenauth.error_response(v) r
 WHERE r -> 'status' = '401' AND wanted <> 'missing' GROUP BY style ORDER BY style;

-- a valid token needs no error
SELECT DISTINCT tokenauth.error_response(v) FROM answer WHERE wanted = 'valid';
SELECT tokenauth.error_response(NULL);

-- where no kind is known, a setting chooses the style; each role may set it
SET tokenauth.default_error_style = coded;
SELECT tokenauth.error_response(v) -> 'body' ->> 'error_code' AS error_code FROM tokenauth.verify(NULL) v;
SET tokenauth.default_error_style = problem;
SELECT tokenauth.error_response(v) -> 'headers' FROM tokenauth.verify('x') v;
SET tokenauth.default_error_style = html;
\echo :SQLSTATE
RESET tokenauth.default_error_style;

-- the idiom for applications
SELECT v.verdict, CASE WHEN NOT v.ok THEN tokenauth.error_response(v) -> 'status' END AS response FROM tokenauth.verify('x') v;

-- a composite made by hand: no verdict, no answer, and nothing passed in reaches a header
SELECT tokenauth.error_response(NULL::tokenauth.verification);
SELECT tokenauth.error_response(ROW(NULL, false, 401, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::tokenauth.verification);
\echo :SQLSTATE
SELECT tokenauth.error_response(ROW('fine', true, 200, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::tokenauth.verification);
\echo :SQLSTATE
SELECT tokenauth.error_response(ROW('insufficient_scope', true, 200, NULL, 'no such kind', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '{"missing": ["a\"\r\nSet-Cookie: x"], "retry_after": "soon"}', E'c1"\r\n', NULL)::tokenauth.verification);
SELECT tokenauth.error_response(ROW('rate_limited', false, 429, NULL, 'coded', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '{"retry_after": 30}', 'c1', NULL)::tokenauth.verification);
SELECT tokenauth.error_response(ROW('owner_inactive', false, 403, NULL, 'coded', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    '["not an object"]', NULL, NULL)::tokenauth.verification);
