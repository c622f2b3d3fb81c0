-- What docs/reference/functions.md says is so: its examples answer what it shows, and the functions, their
-- arguments, results and comments are those that the server has. Written by 'make docs' from src/.
\set SHOW_CONTEXT never
CREATE EXTENSION tokenauth;
\pset footer off
INSERT INTO tokenauth.kind (name, prefix, owner_types, default_lifetime, manage_permission)
VALUES ('api', 'acme_', '{user,org,service,customer}', '90 days', 'tokens:manage');
SELECT tokenauth.put_principal('user:42', '{devices:*,reports:read}', '{"site": ["lon", "nyc"]}');
SELECT tokenauth.put_principal('org:acme', '{reports:*}');
SELECT tokenauth.add_member('org:acme', 'user:42', '{reports:read,tokens:manage}');
SELECT token, id FROM tokenauth.issue('api', 'user:42', 'laptop', scopes => '{devices:read}') \gset
CREATE TABLE customer (
    id        integer PRIMARY KEY,
    is_active boolean NOT NULL DEFAULT true,
    roles     text[] NOT NULL DEFAULT '{}'
);
INSERT INTO customer VALUES (7, true, '{devices:read}');


-- authenticate
BEGIN;
SELECT tokenauth.authenticate(:'token', require => '{devices:read}');
SELECT tokenauth.current_owner(), tokenauth.has_scope('devices:read');
ROLLBACK;

-- authenticate_digest
BEGIN;
SELECT left(:'token', length('acme_') + 11) AS lookup,
       sha256(convert_to(:'token', 'UTF8')) AS digest \gset
SELECT tokenauth.authenticate_digest(:'lookup', :'digest');
ROLLBACK;

-- authenticate_request
BEGIN;
SELECT tokenauth.authenticate_request('{"X-API-Key": "nonsense"}');
ROLLBACK;

-- sign_in
BEGIN;
SELECT verdict, tokenauth.current_owner() FROM tokenauth.sign_in(:'token');
ROLLBACK;

-- sign_in_digest
BEGIN;
SELECT left(:'token', length('acme_') + 11) AS lookup,
       sha256(convert_to(:'token', 'UTF8')) AS digest \gset
SELECT verdict, owner FROM tokenauth.sign_in_digest(:'lookup', :'digest');
ROLLBACK;

-- sign_in_request
BEGIN;
SELECT v.verdict, CASE WHEN NOT v.ok THEN tokenauth.error_response(v) -> 'status' END AS status
  FROM tokenauth.sign_in_request('{"X-API-Key": "nonsense"}') v;
ROLLBACK;

-- sign_out
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT tokenauth.sign_out();
SELECT tokenauth.authenticate(:'token');
ROLLBACK;

-- current_owner
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT tokenauth.current_owner(), tokenauth.current_owner_type(), tokenauth.current_owner_id();
ROLLBACK;

-- current_owner_type
BEGIN;
SELECT verdict FROM tokenauth.sign_in(:'token');
SELECT tokenauth.current_owner_type();
ROLLBACK;

-- current_owner_id
BEGIN;
CREATE TABLE device (name text, customer text);
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON device USING (customer = (SELECT tokenauth.current_owner_id()));
ROLLBACK;

-- current_token_id
BEGIN;
SELECT verdict FROM tokenauth.sign_in(:'token');
SELECT tokenauth.current_token_id() = :'id' AS same;
ROLLBACK;

-- current_derived
BEGIN;
UPDATE tokenauth.kind SET derivable = true WHERE name = 'api';
SELECT token AS parent FROM tokenauth.issue('api', 'user:42') \gset
SELECT tokenauth.derive(:'parent', label => 'nightly export') AS child \gset
SELECT verdict FROM tokenauth.sign_in(:'child');
SELECT tokenauth.current_derived() ->> 'label' AS label;
ROLLBACK;

-- current_kind
BEGIN;
SELECT verdict FROM tokenauth.sign_in(:'token');
SELECT tokenauth.current_kind();
ROLLBACK;

-- current_scopes
BEGIN;
SELECT verdict FROM tokenauth.sign_in(:'token');
SELECT tokenauth.current_scopes();
ROLLBACK;

-- has_scope
BEGIN;
SELECT verdict FROM tokenauth.sign_in(:'token');
SELECT tokenauth.has_scope('devices:read') AS read, tokenauth.has_scope('devices:*') AS everything;
ROLLBACK;

-- data_scope
BEGIN;
SELECT tokenauth.data_scope('site') AS nobody;
SELECT verdict FROM tokenauth.sign_in(:'token');
SELECT tokenauth.data_scope('site') AS sites, tokenauth.data_scope('team') AS teams;
ROLLBACK;

-- in_data_scope
BEGIN;
SELECT verdict FROM tokenauth.sign_in(:'token');
SELECT tokenauth.in_data_scope('site', 'nyc') AS nyc, tokenauth.in_data_scope('site', 'ber') AS ber;
ROLLBACK;

-- pre_request
BEGIN;
SET LOCAL request.headers = '{"x-api-key": "nonsense"}';
\set VERBOSITY sqlstate
SELECT tokenauth.pre_request();
\set VERBOSITY default
ROLLBACK;

-- grant_access
BEGIN;
CREATE ROLE regress_tokenauth_api;
SELECT tokenauth.grant_access('regress_tokenauth_api', 'verify');
SET LOCAL ROLE regress_tokenauth_api;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.revoke(:'id');
ROLLBACK;

-- revoke_access
BEGIN;
CREATE ROLE regress_tokenauth_api;
SELECT tokenauth.grant_access('regress_tokenauth_api', 'manage');
SELECT tokenauth.revoke_access('regress_tokenauth_api', 'manage');
SELECT has_function_privilege('regress_tokenauth_api', p.oid, 'EXECUTE') AS may, p.proname
  FROM pg_proc p WHERE p.proname IN ('put_principal', 'verify') ORDER BY p.proname;
ROLLBACK;

-- describe
BEGIN;
SELECT name, owner, status, scopes FROM tokenauth.describe(:'id');
SELECT name FROM tokenauth.describe('00000000-0000-7000-8000-000000000000');
ROLLBACK;

-- disable
BEGIN;
SELECT tokenauth.disable(:'id');
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;

-- enable
BEGIN;
SELECT tokenauth.disable(:'id');
SELECT tokenauth.enable(:'id');
ROLLBACK;

-- edit
BEGIN;
SELECT name, scopes, status
  FROM tokenauth.edit(:'id', name => 'old laptop', scopes => '{reports:read}');
ROLLBACK;

-- grantable
BEGIN;
SELECT tokenauth.grantable('api', 'user:42', actor => 'user:42') AS own,
       tokenauth.grantable('api', 'org:acme', actor => 'user:42') AS of_the_organisation;
ROLLBACK;

-- import
BEGIN;
SELECT encode(sha256('old-secret'), 'hex') AS digest \gset
SELECT tokenauth.import('api', 'user:42', :'digest', 'sha256', name => 'old')
       IS NOT NULL AS imported;
SELECT verdict, name FROM tokenauth.verify('old-secret');
ROLLBACK;

-- issue
BEGIN;
SELECT length(token), kind, owner, name, scopes
  FROM tokenauth.issue('api', 'user:42', 'CI', scopes => '{reports:read}', expires_in => '30 days');
SELECT token FROM tokenauth.issue('api', 'user:42', 'too much', scopes => '{admin}');
ROLLBACK;

-- list
BEGIN;
SELECT id FROM tokenauth.issue('api', 'user:42', 'CI') \g /dev/null
SELECT name, status, scopes FROM tokenauth.list(owner => 'user:42', page_size => 1);
SELECT id AS last FROM tokenauth.list(owner => 'user:42', page_size => 1) \gset
SELECT name, status, scopes
  FROM tokenauth.list(owner => 'user:42', page_size => 1, after => :'last');
ROLLBACK;

-- reveal
BEGIN;
SELECT tokenauth.reveal(:'id');
ROLLBACK;

-- revoke
BEGIN;
SELECT tokenauth.revoke(:'id', reason => 'laptop lost');
SELECT tokenauth.revoke(:'id');
SELECT verdict, http_status FROM tokenauth.verify(:'token');
ROLLBACK;

-- revoke_presented
BEGIN;
SELECT tokenauth.revoke_presented(:'token');
SELECT tokenauth.revoke_presented('nonsense');
ROLLBACK;

-- delete
BEGIN;
SELECT tokenauth.delete(:'id');
SELECT count(*) FROM tokenauth.list(owner => 'user:42');
ROLLBACK;

-- revoke_all
BEGIN;
SELECT tokenauth.revoke_all(owner => 'user:42', reason => 'account taken over');
SELECT tokenauth.revoke_all();
ROLLBACK;

-- rotate
BEGIN;
SELECT token AS new, name, scopes FROM tokenauth.rotate(:'id', grace => '1 day') \gset
SELECT a.verdict AS before, b.verdict AS after, b.name
  FROM tokenauth.verify(:'token') a, tokenauth.verify(:'new') b;
ROLLBACK;

-- rotation_status
BEGIN;
SELECT id AS new FROM tokenauth.rotate(:'id', grace => '1 day') \gset
SELECT predecessor = :'id' AS predecessor, successor = :'new' AS successor, predecessor_in_use
  FROM tokenauth.rotation_status(:'new');
ROLLBACK;

-- accept_restore
BEGIN;
SELECT tokenauth.accept_restore() AS was_fenced;
ROLLBACK;

-- doctor
BEGIN;
SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active');
ALTER TABLE customer DISABLE TRIGGER USER;
UPDATE customer SET is_active = false;
SELECT object, finding FROM tokenauth.doctor() WHERE area = 'binding';
ROLLBACK;

-- noncompliant
BEGIN;
UPDATE tokenauth.kind SET default_lifetime = '30 days', max_lifetime = '30 days' WHERE name = 'api';
SELECT owner, kind, rule, since FROM tokenauth.noncompliant('api');
ROLLBACK;

-- enforce
BEGIN;
UPDATE tokenauth.kind SET default_lifetime = '30 days', max_lifetime = '30 days' WHERE name = 'api';
SELECT tokenauth.enforce('api', '{lifetime}');
SELECT tokenauth.enforce('api', '{lifetime}', reason => 'policy of 2026', dry_run => false);
SELECT tokenauth.enforce('api', '{lifetime}');
ROLLBACK;

-- expiring
BEGIN;
SELECT name, owner, status FROM tokenauth.expiring('100 days');
ROLLBACK;

-- idle
BEGIN;
SELECT name, owner FROM tokenauth.idle('90 days');
ROLLBACK;

-- scan_pattern
BEGIN;
SELECT 'key = ' || :'token' || ';' ~ tokenauth.scan_pattern('api') AS found,
       'nothing' ~ tokenauth.scan_pattern('api') AS found_nothing;
ROLLBACK;

-- report_leak
BEGIN;
SELECT answer - 'token_hash' AS answer
  FROM jsonb_array_elements(tokenauth.report_leak(jsonb_build_array(
           jsonb_build_object('token', :'token', 'type', 'acme_token',
                              'url', 'https://example.com/1'),
           jsonb_build_object('token', 'nonsense', 'type', 'acme_token')))) answer;
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;

-- contains_token
BEGIN;
CREATE TABLE ticket (body text CHECK (NOT tokenauth.contains_token(body)));
INSERT INTO ticket VALUES ('no token in here');
SELECT tokenauth.contains_token('my key is ' || :'token');
ROLLBACK;

-- mask
BEGIN;
SELECT length(tokenauth.mask(:'token')) = length(:'token') AS same_length,
       tokenauth.contains_token(tokenauth.mask(:'token')) AS found;
SELECT tokenauth.mask('no token in here');
ROLLBACK;

-- make_publication
BEGIN;
SELECT count(*) > 8 AS published FROM unnest(tokenauth.make_publication()) published;
ROLLBACK;

-- purge
BEGIN;
SELECT tokenauth.purge(keep => '1 year');
ROLLBACK;

-- report
BEGIN;
SELECT section, item, value FROM tokenauth.report() WHERE section IN ('tokens', 'expiring', 'idle');
ROLLBACK;

-- export_revocations
BEGIN;
SELECT tokenauth.revoke(:'id', 'laptop lost');
SELECT jsonb_array_length(d -> 'tokens') AS tokens, d -> 'tokens' -> 0 -> 'reason' AS reason
  FROM tokenauth.export_revocations(since => now() - interval '1 day') d;
ROLLBACK;

-- import_revocations
BEGIN;
SAVEPOINT backup;
SELECT tokenauth.revoke(:'id', 'laptop lost');
SELECT tokenauth.export_revocations(since => now() - interval '1 day') AS revocations \gset
ROLLBACK TO backup;
SELECT tokenauth.import_revocations(:'revocations');
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;

-- scan_column
BEGIN;
CREATE TABLE ticket AS SELECT 1 AS id, 'my key is ' || :'token' AS body;
SELECT t.id, s.position, s.status, s.owner
  FROM tokenauth.scan_column('ticket', 'body') s JOIN ticket t ON t.ctid = s.row_ctid;
ROLLBACK;

-- bind_principals
BEGIN;
SELECT tokenauth.bind_principals('customer', 'customer', 'id::text',
    active => 'is_active', permissions => 'roles');
SELECT token AS key FROM tokenauth.issue('api', 'customer:7') \gset
UPDATE customer SET is_active = false WHERE id = 7;
SELECT verdict FROM tokenauth.verify(:'key');
ROLLBACK;

-- bind_members
BEGIN;
CREATE TABLE membership (org text, member int, roles text[], PRIMARY KEY (org, member));
INSERT INTO membership VALUES ('acme', 42, '{reports:read}');
SELECT tokenauth.bind_members('membership', $$'org:' || org$$, $$'user:' || member$$,
    permissions => 'roles');
ROLLBACK;

-- unbind_principals
BEGIN;
SELECT tokenauth.bind_principals('customer', 'customer', 'id::text');
SELECT tokenauth.unbind_principals('customer');
SELECT tokenauth.unbind_principals('customer');
ROLLBACK;

-- sync_principals
BEGIN;
SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active');
ALTER TABLE customer DISABLE TRIGGER USER;
UPDATE customer SET is_active = false;
SELECT tokenauth.sync_principals('customer');
ROLLBACK;

-- sync_principal
BEGIN;
CREATE TRIGGER follow AFTER INSERT OR UPDATE OR DELETE ON customer
    FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('customer', 'id', 'is_active');
CREATE TRIGGER follow_truncate AFTER TRUNCATE ON customer
    FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('customer', 'id', 'is_active');
INSERT INTO customer VALUES (8);
SELECT owner, scopes FROM tokenauth.issue('api', 'customer:8');
ROLLBACK;

-- deactivate
BEGIN;
SELECT tokenauth.deactivate('user:42', reason => 'left the company');
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;

-- activate
BEGIN;
SELECT tokenauth.deactivate('user:42');
SELECT tokenauth.activate('user:42');
ROLLBACK;

-- drop_principal
BEGIN;
SELECT tokenauth.drop_principal('user:42');
SELECT verdict FROM tokenauth.verify(:'token');
ROLLBACK;

-- erase
BEGIN;
SELECT tokenauth.erase('user:42') > 0 AS changed;
SELECT verdict FROM tokenauth.verify(:'token');
SELECT count(*) FROM tokenauth.events WHERE owner = 'user:42';
ROLLBACK;

-- add_member
BEGIN;
SELECT tokenauth.add_member('org:acme', 'user:42', '{reports:*,tokens:manage}');
SELECT name FROM tokenauth.issue('api', 'org:acme', 'export', actor => 'user:42');
ROLLBACK;

-- remove_member
BEGIN;
SELECT tokenauth.remove_member('org:acme', 'user:42');
SELECT tokenauth.remove_member('org:acme', 'user:42');
ROLLBACK;

-- put_principal
BEGIN;
SELECT tokenauth.put_principal('service:collector-7', permissions => '{devices:read}');
SELECT owner, scopes FROM tokenauth.issue('api', 'service:collector-7');
ROLLBACK;

-- covers
BEGIN;
SELECT tokenauth.covers('{devices:*}', 'devices:read') AS one,
       tokenauth.covers('{devices:read}', 'devices:*') AS all;
ROLLBACK;

-- derive
BEGIN;
UPDATE tokenauth.kind SET derivable = true WHERE name = 'api';
SELECT token AS parent FROM tokenauth.issue('api', 'user:42') \gset
SELECT tokenauth.derive(:'parent', scopes => '{devices:read}', label => 'export') AS child \gset
SELECT verdict, owner, scopes, derived ->> 'label' AS label FROM tokenauth.verify(:'child');
ROLLBACK;

-- explain
BEGIN;
SELECT step, passed, reason FROM tokenauth.explain(:'id', '{reports:read}') WHERE NOT passed;
ROLLBACK;

-- error_response
BEGIN;
SELECT r -> 'status' AS status, r -> 'body' -> 'message' AS message
  FROM tokenauth.verify('nonsense') v, tokenauth.error_response(v) r;
ROLLBACK;

-- introspect
BEGIN;
SELECT answer ->> 'active' AS active, answer ->> 'sub' AS sub, answer ->> 'scope' AS scope
  FROM tokenauth.introspect(:'token') answer;
SELECT tokenauth.introspect('nonsense');
ROLLBACK;

-- verify
BEGIN;
SELECT verdict, owner, scopes FROM tokenauth.verify(:'token', require => '{devices:read}');
SELECT verdict, http_status, detail FROM tokenauth.verify(:'token', require => '{reports:read}');
ROLLBACK;

-- verify_digest
BEGIN;
SELECT left(:'token', length('acme_') + 11) AS lookup,
       sha256(convert_to(:'token', 'UTF8')) AS digest \gset
SELECT verdict, owner FROM tokenauth.verify_digest(:'lookup', :'digest');
ROLLBACK;

-- verify_request
BEGIN;
SELECT verdict, owner FROM tokenauth.verify_request(jsonb_build_object('X-API-Key', :'token'));
SELECT verdict, http_status FROM tokenauth.verify_request('{"Authorization": "Bearer nonsense"}');
ROLLBACK;

-- described and not so, or so and not described: nothing
CREATE TEMPORARY TABLE described (name text, arguments text, result text, comment text);
INSERT INTO described VALUES
    ('authenticate', 'token text, require text[] DEFAULT ''{}'', client text DEFAULT NULL', 'text', 'Authenticates the transaction by a token and returns the owner; raises when the token is refused'),
    ('authenticate_digest', 'lookup text, digest bytea, require text[] DEFAULT ''{}'', client text DEFAULT NULL', 'text', 'Authenticates the transaction as authenticate does, given the SHA-256 of the token'),
    ('authenticate_request', 'headers jsonb, require text[] DEFAULT ''{}'', client text DEFAULT NULL, header text DEFAULT NULL', 'text', 'Authenticates the transaction as authenticate does, by the token in the headers of an HTTP request'),
    ('sign_in', 'token text, require text[] DEFAULT ''{}'', client text DEFAULT NULL', 'tokenauth.verification', 'Verifies a token; a valid one authenticates the transaction'),
    ('sign_in_digest', 'lookup text, digest bytea, require text[] DEFAULT ''{}'', client text DEFAULT NULL', 'tokenauth.verification', 'Verifies a token as sign_in does, given its SHA-256'),
    ('sign_in_request', 'headers jsonb, require text[] DEFAULT ''{}'', client text DEFAULT NULL, header text DEFAULT NULL', 'tokenauth.verification', 'Verifies as sign_in does, for the token in the headers of an HTTP request'),
    ('sign_out', '', 'void', 'Ends the identity of the transaction, which cannot get another one'),
    ('current_owner', '', 'text', 'Returns the principal that the transaction acts for; NULL when nobody is authenticated'),
    ('current_owner_type', '', 'text', 'Returns the type of the principal that the transaction acts for'),
    ('current_owner_id', '', 'text', 'Returns the id of the principal that the transaction acts for, without its type'),
    ('current_token_id', '', 'uuid', 'Returns the id of the token that authenticated the transaction'),
    ('current_derived', '', 'jsonb', 'Returns label and end of the derived token that authenticated the transaction; NULL for any other'),
    ('current_kind', '', 'text', 'Returns the kind of the token that authenticated the transaction'),
    ('current_scopes', '', 'text[]', 'Returns the scopes that the token granted when it authenticated the transaction'),
    ('has_scope', 'scope text', 'boolean', 'Tells whether the transaction is authenticated by a token that grants this scope'),
    ('data_scope', 'dimension text', 'text[]', 'Returns the allowed values of a dimension; NULL when unrestricted, none when nobody is authenticated'),
    ('in_data_scope', 'dimension text, value text', 'boolean', 'Tells whether the transaction is authenticated by a token that allows this value of a dimension'),
    ('pre_request', '', 'void', 'Authenticates the transaction by the headers of PostgREST''s request, as its db-pre-request, or raises the response'),
    ('grant_access', 'to_role regrole, access text', 'void', 'Grants a role an access: identity, verify, self, manage, observe or admin'),
    ('revoke_access', 'from_role regrole, access text', 'void', 'Takes from a role what an access adds to those it includes'),
    ('strip_grants', '', 'void', 'Internal: revokes what default privileges grant while the extension is created or updated'),
    ('describe', 'id uuid, actor text DEFAULT ''session''', 'tokenauth.tokens', 'Returns the row of tokenauth.tokens with this id, if the actor may see it'),
    ('disable', 'id uuid, actor text DEFAULT ''session''', 'boolean', 'Disables a token until it is enabled again; returns whether it changed'),
    ('enable', 'id uuid, actor text DEFAULT ''session''', 'boolean', 'Enables a disabled token again; returns whether it changed'),
    ('edit', 'id uuid, name text DEFAULT NULL, description text DEFAULT NULL, scopes text[] DEFAULT NULL, data_scopes jsonb DEFAULT NULL, expires_in interval DEFAULT NULL, expires_at timestamptz DEFAULT NULL, networks text[] DEFAULT NULL, metadata jsonb DEFAULT NULL, actor text DEFAULT ''session''', 'tokenauth.tokens', 'Changes a token, but not its text; NULL leaves a field as it is, an empty value clears it'),
    ('grantable', 'kind text, owner text, actor text DEFAULT ''session''', 'text[]', 'Returns the scopes that an actor could grant now; NULL when it may not issue'),
    ('import', 'kind text, owner text, digest text, algorithm text, name text DEFAULT NULL, hint text DEFAULT NULL, scopes text[] DEFAULT NULL, expires_at timestamptz DEFAULT NULL, created_at timestamptz DEFAULT NULL, metadata jsonb DEFAULT NULL, actor text DEFAULT ''session''', 'uuid', 'Takes over a token of an older system by its digest, so that its holder can go on using it'),
    ('issue', 'kind text, owner text, name text DEFAULT NULL, description text DEFAULT NULL, scopes text[] DEFAULT NULL, data_scopes jsonb DEFAULT NULL, expires_in interval DEFAULT NULL, expires_at timestamptz DEFAULT NULL, not_before timestamptz DEFAULT NULL, networks text[] DEFAULT NULL, metadata jsonb DEFAULT NULL, actor text DEFAULT ''session''', 'tokenauth.issued', 'Issues a token and returns it with its text, which is shown only here'),
    ('list', 'actor text DEFAULT ''session'', owner text DEFAULT ''*'', kind text DEFAULT ''*'', status text DEFAULT ''*'', page_size integer DEFAULT NULL, after uuid DEFAULT NULL', 'SETOF tokenauth.tokens', 'Returns the rows of tokenauth.tokens that the actor may see, newest first, a page at a time'),
    ('reseal', 'at_most bigint DEFAULT 10000', 'bigint', 'Seals token texts anew with the newest key; returns how many are left under older ones'),
    ('reveal', 'id uuid, actor text DEFAULT ''session''', 'text', 'Returns the text of an active token again, if its kind keeps texts sealed'),
    ('revoke', 'id uuid, reason text DEFAULT NULL, actor text DEFAULT ''session''', 'boolean', 'Revokes a token for good; returns whether it was alive'),
    ('revoke_presented', 'token text, reason text DEFAULT NULL', 'boolean', 'Revokes the token that is presented (RFC 7009)'),
    ('delete', 'id uuid, actor text DEFAULT ''session''', 'boolean', 'Revokes a token for good and removes it from every list; returns false when it was deleted before'),
    ('revoke_all', 'owner text DEFAULT ''*'', kind text DEFAULT ''*'', issued_before timestamptz DEFAULT ''infinity'', reason text DEFAULT NULL, actor text DEFAULT ''session''', 'bigint', 'Revokes every selected token; returns how many were alive, NULL for more than 10,000'),
    ('rotate', 'id uuid, grace interval DEFAULT ''0'', expires_in interval DEFAULT NULL, actor text DEFAULT ''session''', 'tokenauth.issued', 'Issues a successor with the same settings; the token itself works until the end of grace'),
    ('rotation_status', 'id uuid', 'tokenauth.rotation', 'Returns how far a rotation has come, given the id of either token'),
    ('accept_restore', '', 'boolean', 'Lets a server that has come back older than it was verify and change tokens again; returns whether it was fenced'),
    ('doctor', 'compare boolean DEFAULT true', 'TABLE(area text, object text, finding text, hint text)', 'Lists what is not as it ought to be, and what to do about it, the most urgent first'),
    ('noncompliant', 'kind text DEFAULT ''*''', 'TABLE(id uuid, owner text, kind text, rule text, since timestamptz, hint text)', 'Lists tokens that are alive and break a rule that their kind has today, once for each rule'),
    ('enforce', 'kind text, rules text[], reason text DEFAULT NULL, dry_run boolean DEFAULT true', 'bigint', 'Applies rules of a kind to the tokens that break them; returns how many, of all rules together'),
    ('expiring', 'within interval', 'SETOF tokenauth.tokens', 'Lists tokens that are alive and expire within this time, the first to expire first'),
    ('idle', 'within interval', 'SETOF tokenauth.tokens', 'Lists tokens that are alive and were neither issued nor used within this time, the longest idle first'),
    ('scan_pattern', 'kind text', 'text', 'Returns a regular expression that finds every token of a kind, and those derived from them, in any text'),
    ('report_leak', 'report jsonb, reason text DEFAULT ''leaked''', 'jsonb', 'Takes a report of leaked tokens, revokes those that are ours, and answers which these are'),
    ('contains_token', 'text text', 'boolean', 'Tells whether a text contains a token'),
    ('mask', 'text text', 'text', 'Returns the text with every token in it hidden except for its hint'),
    ('server_metrics', '', 'TABLE(name text, labels jsonb, value double precision)', 'Internal: what the memory of this server counts, for the view metrics'),
    ('count_findings', '', 'TABLE(area text, findings bigint)', 'Internal: how many findings doctor has in each area without reading whole tables, for the view metrics'),
    ('count_expiring', '', 'TABLE(within text, tokens bigint)', 'Internal: how many tokens that are alive expire within a day, and within a week, for the view metrics'),
    ('make_publication', 'name text DEFAULT ''tokenauth''', 'text[]', 'Publishes the tables that readers follow, and returns their names'),
    ('purge', 'keep interval', 'bigint', 'Removes what has been dead for longer than this, at most 100,000 rows at a time; returns how many'),
    ('report', '', 'TABLE(section text, item text, value text)', 'Shows the state of things on one page: tokens by kind, expiring, idle, unusual, newly dead, drift, settings'),
    ('export_revocations', 'since timestamptz', 'jsonb', 'Returns what has died since then, for import_revocations() after an older backup was restored'),
    ('import_revocations', 'revocations jsonb', 'bigint', 'Applies here what export_revocations() reports from elsewhere; returns how many tokens and principals changed'),
    ('scan_column', 'source regclass, col name', 'TABLE(relation regclass, row_ctid tid, "position" integer, hint text, status text, owner text, kind text, token_id uuid)', 'Finds tokens in a column of a table or view: where each is, and whose it is'),
    ('usage_export', '', 'jsonb', 'Returns a batch of the usage that this standby or reader has counted, for usage_import on the primary; NULL when there is none'),
    ('usage_import', 'batch jsonb', 'bigint', 'Adds a batch of usage from a standby or a reader, each batch once; returns the number of its tokens, 0 for a batch added before'),
    ('bind_principals', 'source regclass, type text, id text, active text DEFAULT NULL, permissions text DEFAULT NULL, data_scopes text DEFAULT NULL, display_name text DEFAULT NULL, state_reason text DEFAULT NULL', 'bigint', 'Keeps principals in step with the rows of a table from now on; returns how many were copied'),
    ('bind_members', 'source regclass, org text, member text, permissions text DEFAULT NULL', 'bigint', 'Keeps memberships in step with the rows of a table from now on; returns how many were copied'),
    ('unbind_principals', 'source regclass', 'void', 'Removes a binding; its principals or memberships stay as they are'),
    ('sync_principals', 'source regclass', 'bigint', 'Repairs drift between a bound table and its principals or memberships; returns how many were repaired'),
    ('sync_principal', '', 'trigger', 'Keeps principals or memberships in step with a table, as the function of a trigger on it'),
    ('deactivate', 'principal text, reason text DEFAULT NULL', 'boolean', 'Deactivates a principal: its tokens die or are suspended, as their kinds say; returns whether it was active'),
    ('activate', 'principal text', 'boolean', 'Makes a principal active again; returns whether it was inactive'),
    ('drop_principal', 'principal text', 'void', 'Drops a principal and kills all its tokens for good'),
    ('erase', 'principal text', 'bigint', 'Forgets a principal: drops it, and replaces its id wherever it stands; returns in how many rows'),
    ('add_member', 'org text, member text, permissions text[] DEFAULT ''{}''', 'void', 'Makes a principal a member of an organisation, or changes what it holds there'),
    ('remove_member', 'org text, member text', 'boolean', 'Removes a member from an organisation; returns whether it was one'),
    ('put_principal', 'principal text, permissions text[] DEFAULT NULL, data_scopes jsonb DEFAULT NULL, active boolean DEFAULT NULL, state_reason text DEFAULT NULL, display_name text DEFAULT NULL', 'void', 'Makes a principal known or changes it; NULL leaves a field as it is'),
    ('follow_beats', '', 'trigger', 'Internal: trigger by which a reader notices that it lacks something that its primary has changed'),
    ('refuse_change', '', 'trigger', 'Internal: trigger on tokenauth.event'),
    ('signal_change', '', 'trigger', 'Internal: trigger on the tables that verification reads'),
    ('signal_derived_death', '', 'trigger', 'Internal: trigger on the table of children that were revoked by themselves'),
    ('guard_copied', '', 'trigger', 'Internal: trigger on tables that a reader does not write, and of which backends cache nothing'),
    ('signal_token', 'was bigint, becomes bigint', 'boolean', 'Internal: tells that a token has changed'),
    ('signal_principal', 'was text, becomes text', 'boolean', 'Internal: tells that a principal has changed'),
    ('guard_kind', '', 'trigger', 'Internal: trigger on tokenauth.kind'),
    ('record_kind', '', 'trigger', 'Internal: trigger on tokenauth.kind'),
    ('recent_usage', 'token uuid', 'tokenauth.recent_usage', 'Internal: the usage of a token that only shared memory has, for the view tokens'),
    ('stats', '', 'TABLE(verdict text, count bigint, stats_reset timestamptz)', 'Shows how often each verdict was given in this database, on this server'),
    ('unusual_activity', 'within interval DEFAULT ''1 day''', 'TABLE(token uuid, signal text, evidence jsonb)', 'Lists recent unusual use of tokens, with its evidence'),
    ('covers', 'scopes text[], scope text', 'boolean', 'Tells whether a list of scopes grants all of this scope or pattern'),
    ('derive', 'token text, expires_in interval DEFAULT ''5 mins'', scopes text[] DEFAULT NULL, data_scopes jsonb DEFAULT NULL, networks text[] DEFAULT NULL, label text DEFAULT NULL', 'text', 'Derives from a token another one, which works for a short time and grants no more'),
    ('explain', 'token_or_id text, require text[] DEFAULT ''{}'', client text DEFAULT NULL', 'TABLE(step text, passed boolean, reason text)', 'Shows why a token is accepted or refused, check by check'),
    ('error_response', 'v tokenauth.verification', 'jsonb', 'Returns the HTTP response to a refused token: status, headers and body'),
    ('introspect', 'token text, require text[] DEFAULT ''{}'', client text DEFAULT NULL', 'jsonb', 'Verifies a token, and answers as RFC 7662 describes it'),
    ('verify', 'token text, require text[] DEFAULT ''{}'', client text DEFAULT NULL', 'tokenauth.verification', 'Verifies a token, with the scopes it must grant and the address of the client'),
    ('verify_digest', 'lookup text, digest bytea, require text[] DEFAULT ''{}'', client text DEFAULT NULL', 'tokenauth.verification', 'Verifies a token by its SHA-256, so that its text never reaches the server'),
    ('verify_request', 'headers jsonb, require text[] DEFAULT ''{}'', client text DEFAULT NULL, header text DEFAULT NULL', 'tokenauth.verification', 'Verifies the token in the headers of an HTTP request');
CREATE TEMPORARY VIEW present AS
SELECT p.proname::text AS name,
       regexp_replace(replace(replace(a.without_casts, 'timestamp with time zone', 'timestamptz'), '''@ ', ''''),
                      '''(\d{2,})''', '\1', 'g') AS arguments,
       replace(pg_get_function_result(p.oid), 'timestamp with time zone', 'timestamptz') AS result,
       obj_description(p.oid, 'pg_proc') AS comment
  FROM pg_proc p,
       regexp_replace(pg_get_function_arguments(p.oid), '::(timestamp with time zone|\w+)(\[\])?', '', 'g')
           AS a (without_casts)
 WHERE p.pronamespace = 'tokenauth'::regnamespace;
(TABLE described EXCEPT TABLE present) ORDER BY name;
(TABLE present EXCEPT TABLE described) ORDER BY name;
