-- Palpabl NMS: editable personal tokens with any subset of the permissions held, which never do more than their owner can.
-- Each quotation is from Palpabl's documentation; the statements below it show that it holds.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET IntervalStyle = 'postgres';

-- "Tokens default to 90 days and can be set to a maximum of one year from today."
INSERT INTO tokenauth.kind (name, prefix, permission_mode, default_lifetime, max_lifetime) VALUES ('pat', 'pnms_pat_', 'intersect', '90 days', '1 year');
SELECT tokenauth.put_principal('user:kim', '{dcim.view_device,dcim.change_device,ipam.view_prefix}');
SELECT tokenauth.put_principal('user:lee', '{*}');

-- "You can grant any subset of the permissions you currently hold — use Select all to grant everything, or pick individual scopes."
SELECT tokenauth.grantable('pat', 'user:kim', 'user:kim') AS picker;
SELECT token AS everything, scopes FROM tokenauth.issue('pat', 'user:kim', 'everything', actor => 'user:kim') \gset
SELECT :'scopes' AS select_all;
SELECT token, id, hint, scopes FROM tokenauth.issue('pat', 'user:kim', 'collector', scopes => '{dcim.view_device}', actor => 'user:kim') \gset
SELECT :'scopes' AS picked;
-- "A token can never be granted a permission you don't have yourself."
SELECT tokenauth.issue('pat', 'user:kim', scopes => '{dcim.view_device,dcim.delete_device}', actor => 'user:kim');
\echo :SQLSTATE
SELECT tokenauth.issue('pat', 'user:kim', scopes => '{*}', actor => 'user:kim');
\echo :SQLSTATE

-- "Tokens default to 90 days"
SELECT expires_at - created_at AS lifetime FROM tokenauth.tokens WHERE id = :'id';
-- "and can be set to a maximum of one year from today": to the end of that day
SELECT count(*) FROM tokenauth.issue('pat', 'user:kim', 'a year', expires_in => '1 year', actor => 'user:kim');
SELECT count(*) FROM tokenauth.issue('pat', 'user:kim', 'to the end of the day', expires_at => date_trunc('day', now() AT TIME ZONE 'UTC' + interval '1 year') AT TIME ZONE 'UTC' + interval '23 hours 59 minutes',
                                     actor => 'user:kim');
\set VERBOSITY terse
SELECT tokenauth.issue('pat', 'user:kim', expires_in => '1 year 2 days', actor => 'user:kim');
\echo :SQLSTATE
SELECT tokenauth.issue('pat', 'user:kim', expires_at => 'infinity', actor => 'user:kim');
\echo :SQLSTATE
\set VERBOSITY default

-- "The full token is shown only once, immediately after it's created." "If you lose it, you can't recover it"
SELECT count(*) AS stored FROM tokenauth.token AS t WHERE strpos(t::text, :'token') > 0;
-- "Each row displays only a short prefix and the last few characters (for example pnms_pat_a1b2c3d4…f9g0) so you can tell your tokens apart."
SELECT :'hint' ~ '^pnms_pat_[0-9A-Za-z]{8}…[0-9A-Za-z]{4}$' AS like_the_example, :'hint' = left(:'token', 17) || '…' || right(:'token', 4) AS prefix_and_last_characters;
-- "From this page you can see every token you've created, when each one expires, and the permissions (scopes) attached to it."
SELECT name, expires_at > now() AS expires, scopes FROM tokenauth.list('user:kim') ORDER BY name;
-- "Tokens are personal. The list shows only the tokens you created": no matter which permissions somebody else holds
SELECT count(*) FROM tokenauth.list('user:lee');
\set VERBOSITY sqlstate
SELECT tokenauth.edit(:'id', name => 'mine now', actor => 'user:lee');
SELECT tokenauth.delete(:'id', 'user:lee');
SELECT tokenauth.issue('pat', 'user:kim', actor => 'user:lee');
\set VERBOSITY default

-- "Send the token in the Authorization header of your request to the NMS API as a bearer token"; the GraphQL API requires the
-- scope that a query needs, and devices can be queried only through it
CREATE TABLE device (name text);
INSERT INTO device VALUES ('core-1'), ('edge-7');
CREATE FUNCTION graphql(headers jsonb, query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    required text[] := CASE query WHEN '{ __typename }' THEN '{}' WHEN '{ devices { name } }' THEN '{dcim.view_device}' ELSE '{dcim.change_device}' END;
    v tokenauth.verification := tokenauth.verify_request(headers, required);
BEGIN
    IF NOT v.ok THEN
        RETURN jsonb_build_object('status', v.http_status, 'challenge', tokenauth.error_response(v) -> 'headers' -> 'WWW-Authenticate');
    END IF;
    IF query = '{ __typename }' THEN
        RETURN '{"data": {"__typename": "Query"}}';
    END IF;
    RETURN jsonb_build_object('data', (SELECT jsonb_agg(name ORDER BY name) FROM device));
END
$$;
SELECT graphql(jsonb_build_object('Authorization', 'Bearer ' || :'token', 'Content-Type', 'application/json'), '{ __typename }');
-- "The request runs with the permissions attached to the token."
SELECT graphql(jsonb_build_object('Authorization', 'Bearer ' || :'token'), '{ devices { name } }');
-- "If the token is missing a required permission, the request is rejected"
SELECT graphql(jsonb_build_object('Authorization', 'Bearer ' || :'token'), 'mutation { updateDevice }');
SELECT graphql('{"Authorization": "Bearer pnms_pat_a1b2c3d4e5f6..."}', '{ __typename }');
-- "grant that scope when creating the token, or edit the token to add it."
SELECT scopes FROM tokenauth.edit(:'id', scopes => '{dcim.view_device,dcim.change_device}', actor => 'user:kim');
-- "the token value stays the same, so services using it keep working."
SELECT graphql(jsonb_build_object('Authorization', 'Bearer ' || :'token'), 'mutation { updateDevice }');

-- "You can change a token's permissions or expiry date without re-issuing it"
SELECT scopes, expires_at - now() BETWEEN '29 days 23 hours' AND '30 days 1 hour' AS in_thirty_days
  FROM tokenauth.edit(:'id', scopes => '{dcim.view_device,ipam.view_prefix}', expires_in => '30 days', actor => 'user:kim');
\set VERBOSITY terse
SELECT tokenauth.edit(:'id', expires_in => '2 years', actor => 'user:kim');
\echo :SQLSTATE
\set VERBOSITY default
-- "Permission and expiry changes take effect within a few minutes": here they do so on the next request
SELECT graphql(jsonb_build_object('Authorization', 'Bearer ' || :'token'), 'mutation { updateDevice }');

-- "Each token acts with your permissions — it can never do more than you can"
SELECT tokenauth.put_principal('user:kim', '{dcim.view_device}');
SELECT scopes FROM tokenauth.verify(:'everything');
SELECT verdict, http_status, detail FROM tokenauth.verify(:'everything', '{ipam.view_prefix}');
-- "each token carries a snapshot of the permissions you held when it was created": permissions gained later are not in it
SELECT tokenauth.put_principal('user:kim', '{dcim.view_device,dcim.change_device,dcim.add_device}');
SELECT scopes FROM tokenauth.verify(:'everything');
-- "As with creating a token, you can only grant permissions you currently hold. If your own permissions have changed since the token was
-- created, you'll only be able to assign scopes you still have."
SELECT tokenauth.edit(:'id', scopes => '{dcim.view_device,ipam.view_prefix}', actor => 'user:kim');
\echo :SQLSTATE
SELECT scopes FROM tokenauth.edit(:'id', scopes => '{dcim.view_device,dcim.add_device}', actor => 'user:kim');

-- "Deleting a token immediately and permanently revokes it."
SELECT tokenauth.delete(:'id', 'user:kim');
-- "Any collector, script, or service still using the token will stop working immediately."
SELECT graphql(jsonb_build_object('Authorization', 'Bearer ' || :'token'), '{ __typename }');
-- "This can't be undone"
\set VERBOSITY sqlstate
SELECT tokenauth.enable(:'id', 'user:kim');
SELECT tokenauth.edit(:'id', expires_in => '30 days', actor => 'user:kim');
\set VERBOSITY default
SELECT name FROM tokenauth.list('user:kim') ORDER BY name;

-- "Prefer shorter expiry windows and replace tokens before they lapse." "Give each collector, script, or integration its own token."
SELECT name, expires_at < now() + interval '100 days' AS lapses_soon FROM tokenauth.list('user:kim') ORDER BY name;
-- "If a token is ever leaked, delete it right away and issue a replacement.": in one call
SELECT token AS leaked, id AS leaked_id FROM tokenauth.issue('pat', 'user:kim', 'leaked', scopes => '{dcim.view_device}', actor => 'user:kim') \gset
SELECT token AS replacement FROM tokenauth.rotate(:'leaked_id', actor => 'user:kim') \gset
SELECT verdict FROM tokenauth.verify(:'leaked');
SELECT verdict, scopes FROM tokenauth.verify(:'replacement');
-- "Confirm the token hasn't expired"
SELECT token AS lapsed FROM tokenauth.issue('pat', 'user:kim', 'lapsed', expires_in => '1 millisecond', actor => 'user:kim') \gset
SELECT pg_sleep(0.01);
SELECT verdict, http_status FROM tokenauth.verify(:'lapsed');
