-- The API tokens of Parascope, a CMDB, end to end. Sentences in quotation marks are from its documentation.
-- Every statement is shown with its result; the last one fails if any request got another answer than the text says.
\pset null -
\pset footer off
SET client_min_messages = warning;

CREATE EXTENSION tokenauth;

-- 1. The policy: four kinds of tokens, one row each.
--    "ps_usr_ – Individual users via the UI – Until revoked": live, so at any time the token may do what the user may do.
INSERT INTO tokenauth.kind (name, prefix, permission_mode, name_required)
VALUES ('personal', 'ps_usr_', 'live', true);

--    "ps_svc_ – System-provisioned by Parascope – Until rotated. These don't expire and aren't tied to a user account."
INSERT INTO tokenauth.kind (name, prefix, permission_mode, owner_types, self_service)
VALUES ('service', 'ps_svc_', 'live', '{service}', false);

--    "ps_adm_ – Administrators – Until revoked", "ps_ro_ – Administrators – Until revoked": a read-only key has a ceiling.
--    issue_permission says who may issue them. It binds actors, not the application's own trusted calls, as all below are.
INSERT INTO tokenauth.kind (name, prefix, permission_mode, ceiling, issue_permission, manage_permission)
VALUES ('admin',     'ps_adm_', 'live', NULL,       'keys:issue', 'keys:manage'),
       ('read-only', 'ps_ro_',  'live', '{*:read}', 'keys:issue', 'keys:manage');

SELECT name, prefix, permission_mode, owner_types, ceiling, self_service, issue_permission
FROM tokenauth.kind ORDER BY created_at, name;

-- 2. The application's own table of users. From now on its triggers keep tokenauth in step, in the same transaction.
CREATE TABLE users (
    id          text PRIMARY KEY,
    email       text NOT NULL,
    is_active   boolean NOT NULL DEFAULT true,
    permissions text[] NOT NULL DEFAULT '{}',
    sites       text[] NOT NULL DEFAULT '{}'
);

SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'is_active', permissions => 'permissions',
    data_scopes => $$jsonb_build_object('site', sites)$$, display_name => 'email');

INSERT INTO users (id, email, permissions, sites)
VALUES ('ada',   'ada@example.com',   '{configuration-items:read,configuration-items:write}',       '{nyc,lon}'),
       ('grace', 'grace@example.com', '{configuration-items:*,reports:read,keys:issue,keys:manage}', '{nyc,lon,tyo}');

--    A service has no row in users: the application itself makes it known.
SELECT tokenauth.put_principal('service:collector-7', permissions => '{configuration-items:write}');

-- 3. "Enter a name for the token (e.g., "Monitoring Script", "CI/CD Pipeline"). Click Create.
--    Copy the token immediately — it will not be shown again."
SELECT token, id FROM tokenauth.issue('personal', 'user:ada', 'Monitoring Script') \gset ada_
SELECT token, id FROM tokenauth.issue('personal', 'user:ada', 'CI/CD Pipeline') \gset ci_
SELECT :'ada_token' AS "Monitoring Script", :'ci_token' AS "CI/CD Pipeline";

--    The database keeps a digest. The row contains neither the token nor anything it could be computed from.
SELECT count(*) AS rows_with_the_token FROM tokenauth.token t WHERE t::text LIKE '%' || right(:'ada_token', 38) || '%';

-- 4. "Include the token in the X-API-Key header of your API requests."
SELECT verdict, http_status, owner, name, scopes, data_scopes
FROM tokenauth.verify_request(jsonb_build_object('X-API-Key', :'ada_token'));

--    That is all an API server needs. This function plays one: it answers a request and writes an access log.
CREATE TABLE access_log (
    request int GENERATED ALWAYS AS IDENTITY,
    status int, verdict text, token text, owner text, correlation_id text
);

CREATE FUNCTION request(headers jsonb, needs text) RETURNS TABLE (status int, error text, message text) LANGUAGE plpgsql AS $$
DECLARE
    v    tokenauth.verification := tokenauth.verify_request(headers, require => ARRAY[needs]);
    body jsonb := tokenauth.error_response(v) -> 'body';
BEGIN
    INSERT INTO access_log (status, verdict, token, owner, correlation_id)
    VALUES (v.http_status, v.verdict, v.name, v.owner, v.correlation_id);
    RETURN QUERY SELECT v.http_status, body ->> 'error', coalesce(body ->> 'message', 'Hello, ' || v.owner);
END $$;

SELECT * FROM request(jsonb_build_object('X-API-Key', :'ada_token'), needs => 'configuration-items:read');
SELECT * FROM request(jsonb_build_object('x-api-key', :'ci_token'), needs => 'configuration-items:write');

-- 5. Refusals: no token; a text that is no token (a typing error fails the checksum, and no table is read); two different tokens.
SELECT * FROM request('{"Accept": "application/json"}', needs => 'configuration-items:read');
SELECT * FROM request('{"X-API-Key": "ps_usr_your_token_here"}', needs => 'configuration-items:read');
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ada_token', 'Authorization', 'Bearer ' || :'ci_token'),
                      needs => 'configuration-items:read');

--    A permission that Ada does not hold.
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ada_token'), needs => 'reports:read');

-- 6. "The token inherits your current permissions and data scopes.
--    If your permissions change, the token's effective access changes too."
UPDATE users SET permissions = '{configuration-items:read,reports:read}', sites = '{lon}' WHERE id = 'ada';
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ada_token'), needs => 'reports:read');
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ci_token'), needs => 'configuration-items:write');
SELECT name, scopes, data_scopes FROM tokenauth.verify(:'ada_token');

-- 7. Service keys: "Pre-provisioned keys used by automated integrations and service-to-service communication."
SELECT token FROM tokenauth.issue('service', 'service:collector-7') \gset svc_
SELECT * FROM request(jsonb_build_object('X-API-Key', :'svc_token'), needs => 'configuration-items:write');

-- 8. Administrators create admin keys and read-only keys. Grace may write; her read-only key may not.
SELECT token FROM tokenauth.issue('admin', 'user:grace', 'Nightly import') \gset adm_
SELECT token FROM tokenauth.issue('read-only', 'user:grace', 'Dashboard') \gset ro_
SELECT name, scopes FROM tokenauth.verify(:'adm_token') UNION ALL SELECT name, scopes FROM tokenauth.verify(:'ro_token');
SELECT * FROM request(jsonb_build_object('X-API-Key', :'adm_token'), needs => 'configuration-items:write');
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ro_token'), needs => 'configuration-items:read');
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ro_token'), needs => 'configuration-items:write');

-- 9. "The token list at Settings then API Tokens shows: Token name, Token prefix (first few characters for
--    identification), Created date, Last used date. The full token value is never displayed after creation."
SELECT name, hint, created_at::timestamp(0), last_used_at::timestamp(0), expires_at, status
FROM tokenauth.list(owner => 'user:ada');

-- 10. "Find the token in the list. Click Revoke. Confirm the revocation. Revoked tokens are immediately invalidated —
--     any requests using them will receive a 401 Unauthorized response."
SELECT tokenauth.revoke(:'ada_id', reason => 'not needed any more') AS was_alive;
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ada_token'), needs => 'configuration-items:read');
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ci_token'), needs => 'configuration-items:read');

--     The whole response, as the API server sends it.
SELECT jsonb_pretty(tokenauth.error_response(v)) AS response FROM tokenauth.verify(:'ada_token') v;

-- 11. "If the user is deactivated, all their tokens are immediately revoked." An UPDATE of the table users is all it takes.
UPDATE users SET is_active = false WHERE id = 'ada';
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ci_token'), needs => 'configuration-items:read');

--     Revoked, not suspended: when Ada comes back, her old tokens do not. She creates a new one.
UPDATE users SET is_active = true WHERE id = 'ada';
SELECT * FROM request(jsonb_build_object('X-API-Key', :'ci_token'), needs => 'configuration-items:read');
SELECT token FROM tokenauth.issue('personal', 'user:ada', 'Monitoring Script 2') \gset new_
SELECT * FROM request(jsonb_build_object('X-API-Key', :'new_token'), needs => 'configuration-items:read');
SELECT status, name, hint, revoked_at::timestamp(0), revoked_by, revoke_reason FROM tokenauth.list(owner => 'user:ada');

-- 12. What callers were told, and what the operator knows: to callers every 401 looks alike, the access log has the reason.
SELECT request, status, verdict, token, owner, correlation_id FROM access_log ORDER BY request;
SELECT at::time(0), event, kind, owner, after ->> 'name' AS name FROM tokenauth.events ORDER BY id;

-- 13. Was every request answered as the text says?
DO $$
BEGIN
    ASSERT (SELECT array_agg(status || ' ' || verdict ORDER BY request) FROM access_log) = ARRAY[
        '200 valid', '200 valid',
        '401 missing', '401 malformed', '400 ambiguous', '403 insufficient_scope',
        '200 valid', '403 insufficient_scope',
        '200 valid',
        '200 valid', '200 valid', '403 insufficient_scope',
        '401 revoked', '200 valid',
        '401 revoked', '401 revoked', '200 valid'], 'a request was not answered as the text says';
    ASSERT (SELECT count(*) FROM tokenauth.tokens WHERE status = 'active') = 4, 'not exactly four tokens are active';
    ASSERT (SELECT count(*) FROM tokenauth.tokens WHERE last_used_at IS NULL) = 0, 'a use was not recorded';
END $$;
