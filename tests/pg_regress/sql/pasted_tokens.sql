-- Nobody keeps a token where people read: a name, description, display name, label, hint, metadata, scope, data scope, an id of a
-- new principal or a text of a kind with one in it is refused (22023), whatever follows it, and also by hand. Why something dies, and what a bound table supplies, must
-- fail for nothing that it says: of a token in it the hint is kept, or nothing.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
INSERT INTO tokenauth.kind (name, prefix, derivable) VALUES ('api', 'api_', true);
SELECT tokenauth.put_principal('user:alice', '{devices:read}', display_name => 'Alice');
SELECT token, id FROM tokenauth.issue('api', 'user:alice', 'laptop') \gset
SELECT tokenauth.derive(:'token') AS child \gset

-- at issue
SELECT tokenauth.issue('api', 'user:alice', :'token');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', 'laptop', 'my old one was ' || :'token' || '.');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', 'laptop', metadata => jsonb_build_object('old', :'token'));
\echo :SQLSTATE
-- … one that was derived counts
SELECT tokenauth.issue('api', 'user:alice', 'laptop', :'child');
\echo :SQLSTATE
-- … and letters that follow are soon left out
SELECT tokenauth.issue('api', 'user:alice', :'token' || 'x');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', 'laptop', 'as ' || :'child' || 'and more');
\echo :SQLSTATE
SELECT tokenauth.issue('api', 'user:alice', 'laptop', metadata => jsonb_build_object('old', :'token' || '1'));
\echo :SQLSTATE
-- when edited
SELECT tokenauth.edit(:'id', name => 'key: ' || :'token');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', description => :'token');
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', metadata => jsonb_build_object(:'token', true));
\echo :SQLSTATE
-- of an import
SELECT tokenauth.import('api', 'user:alice', repeat('0', 64), 'sha256', name => :'token');
\echo :SQLSTATE
SELECT tokenauth.import('api', 'user:alice', repeat('0', 64), 'sha256', hint => :'token');
\echo :SQLSTATE
-- of a child, of a principal
SELECT tokenauth.derive(:'token', label => :'token');
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', display_name => :'token');
\echo :SQLSTATE
SELECT name, description, metadata FROM tokenauth.tokens;
-- in scopes and data scopes
SELECT tokenauth.issue('api', 'user:alice', scopes => ARRAY['devices:' || :'token']);
\echo :SQLSTATE
SELECT tokenauth.edit(:'id', scopes => ARRAY[:'token']);
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', ARRAY[:'token']);
\echo :SQLSTATE
SELECT tokenauth.put_principal('user:alice', data_scopes => jsonb_build_object('site', ARRAY[:'token']));
\echo :SQLSTATE
SELECT tokenauth.derive(:'token', scopes => ARRAY[:'token']);
\echo :SQLSTATE
-- in the id of a new principal
SELECT tokenauth.put_principal('user:' || :'token');
\echo :SQLSTATE
-- … but one that a former release has put can be changed, and so die
BEGIN;
INSERT INTO tokenauth.principal (principal, created_at) VALUES ('user:' || :'token', now() - interval '1 day');
SELECT tokenauth.put_principal('user:' || :'token', active => false);
SELECT active FROM tokenauth.principal WHERE principal = 'user:' || :'token';
ROLLBACK;
-- in a kind, whose CHECK would print the row
UPDATE tokenauth.kind SET description = 'as ' || :'token';
\echo :SQLSTATE
UPDATE tokenauth.kind SET ceiling = ARRAY['devices:*', :'token'];
\echo :SQLSTATE
UPDATE tokenauth.kind SET error_style = :'token';
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix) VALUES (:'token', 'other_');
\echo :SQLSTATE
-- … where a dump is restored, what was there before stays
INSERT INTO tokenauth.kind (name, prefix, description, created_at) VALUES ('old', 'old_', :'token', now() - interval '1 day');
UPDATE tokenauth.kind SET description = NULL WHERE name = 'old';

-- by hand, unless it passes for restored
UPDATE tokenauth.token SET name = :'token' WHERE id = :'id';
\echo :SQLSTATE
UPDATE tokenauth.token SET description = 'as ' || :'token' || 'x' WHERE id = :'id';
\echo :SQLSTATE
UPDATE tokenauth.token SET metadata = jsonb_build_object('old', :'token') WHERE id = :'id';
\echo :SQLSTATE
UPDATE tokenauth.principal SET display_name = :'token' WHERE principal = 'user:alice';
\echo :SQLSTATE
UPDATE tokenauth.principal SET permissions = permissions || ARRAY[:'token'] WHERE principal = 'user:alice';
\echo :SQLSTATE
INSERT INTO tokenauth.principal (principal) VALUES ('user:' || :'token');
\echo :SQLSTATE

-- its hint may be said, and what only looks like a token
SELECT name = 'like ' || substr(:'token', 5, 12) || '…' AS as_given FROM tokenauth.issue('api', 'user:alice', 'like ' || substr(:'token', 5, 12) || '…');
SELECT name = left(:'token', -1) AS as_given FROM tokenauth.issue('api', 'user:alice', left(:'token', -1));

-- a death is never refused for its reason
SELECT id AS presented_id, token AS presented FROM tokenauth.issue('api', 'user:alice', 'presented') \gset
SELECT id AS leaked_id, token AS leaked FROM tokenauth.issue('api', 'user:alice', 'leaked') \gset
SELECT id AS all_id FROM tokenauth.issue('api', 'user:alice', 'all') \gset
SELECT tokenauth.revoke(:'id', 'found in a wiki: ' || :'token');
SELECT id AS longer_id FROM tokenauth.issue('api', 'user:alice', 'longer') \gset
SELECT tokenauth.revoke(:'longer_id', 'it was ' || :'token' || 'x, and ' || :'child' || 'x');
SELECT tokenauth.revoke_presented(:'presented', :'presented');
SELECT tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', :'leaked')), 'as ' || :'leaked') -> 0 ->> 'label' AS label;
SELECT tokenauth.revoke_all('user:alice', reason => 'with ' || :'token') > 0 AS died;
SELECT name, revoke_reason IN (tokenauth.mask('found in a wiki: ' || :'token'), tokenauth.mask(:'presented'), tokenauth.mask('as ' || :'leaked'), tokenauth.mask('with ' || :'token')) AS masked
  FROM tokenauth.tokens WHERE id IN (:'id', :'presented_id', :'leaked_id', :'all_id') ORDER BY name;
SELECT revoke_reason = 'it was ' || tokenauth.mask(:'token') || 'x, and ' || tokenauth.mask(:'child') || 'x' AS masked FROM tokenauth.tokens WHERE id = :'longer_id';
SELECT tokenauth.deactivate('user:alice', 'owns ' || :'token');
SELECT active, state_reason = tokenauth.mask('owns ' || :'token') AS masked FROM tokenauth.principal;
SELECT tokenauth.put_principal('user:alice', active => true);
SELECT tokenauth.put_principal('user:alice', active => false, state_reason => :'token');
SELECT active, state_reason = tokenauth.mask(:'token') AS masked FROM tokenauth.principal;

-- nor is a statement on a bound table, and the two agree afterwards
CREATE TABLE staff (id integer PRIMARY KEY, name text, gone text);
SELECT tokenauth.bind_principals('staff', 'staff', 'id::text', active => 'gone IS NULL', display_name => 'name', state_reason => 'gone');
INSERT INTO staff VALUES (1, 'my key is ' || :'token');
UPDATE staff SET gone = :'child';
SELECT active, display_name = tokenauth.mask('my key is ' || :'token') AS name, state_reason = tokenauth.mask(:'child') AS reason FROM tokenauth.principal WHERE principal = 'staff:1';
SELECT finding FROM tokenauth.doctor() WHERE area = 'binding';
-- … which lets no token grant more for it
CREATE TABLE crew (id text PRIMARY KEY, roles text[], sites jsonb, gone boolean NOT NULL DEFAULT false);
SELECT tokenauth.bind_principals('crew', 'crew', 'id', active => format('NOT gone AND %L <> id', :'token'));
\echo :SQLSTATE
SELECT tokenauth.bind_principals('crew', 'crew', 'id', active => 'NOT gone', permissions => 'roles', data_scopes => 'sites');
INSERT INTO crew VALUES ('1', ARRAY['devices:read', 'sites:' || :'token'], jsonb_build_object('site', ARRAY[:'token']));
SELECT permissions, data_scopes FROM tokenauth.principal WHERE principal = 'crew:1';
UPDATE crew SET gone = true;
SELECT active FROM tokenauth.principal WHERE principal = 'crew:1';
SELECT finding FROM tokenauth.doctor() WHERE area = 'binding';
INSERT INTO crew VALUES (:'token', '{}', '{}');
\echo :SQLSTATE

-- nor is a table bound whose name is one
CREATE TABLE :"token" (id text PRIMARY KEY);
SELECT tokenauth.bind_principals(format('public.%I', :'token'), 'guest', 'id');
\echo :SQLSTATE

-- so none is kept anywhere
SELECT count(*) AS events FROM tokenauth.events e WHERE tokenauth.contains_token(to_jsonb(e)::text);
SELECT count(*) AS tokens FROM tokenauth.tokens t WHERE tokenauth.contains_token(to_jsonb(t)::text);
SELECT count(*) AS principals FROM tokenauth.principal p WHERE tokenauth.contains_token(to_jsonb(p)::text);
SELECT count(*) AS deaths FROM tokenauth.mass_death d WHERE tokenauth.contains_token(to_jsonb(d)::text);
