-- Nothing goes further than what it was handed out by: under an identity no token is issued, rotated, enabled or edited that could
-- ever grant more than the token presented, or works longer or from more places; and no stranger learns which principals exist.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, manage_permission, default_lifetime) VALUES
    ('key', 'key_', '{user,org}', 'intersect', 'tokens:manage', NULL),
    ('other', 'other_', '{user,org}', 'intersect', 'tokens:manage', '90 days'),
    ('kept', 'kept_', '{user,org}', 'snapshot', 'tokens:manage', NULL),
    ('live', 'live_', '{user,org}', 'live', 'tokens:manage', NULL);
SELECT tokenauth.put_principal('user:ann', '{a,b,tokens:manage}', '{"site": ["nyc", "lon"]}');
SELECT tokenauth.put_principal('user:ben', '{a,b}', '{"site": ["nyc"]}');
SELECT tokenauth.put_principal('org:acme', '{a,b}', '{"site": ["nyc"]}');
SELECT tokenauth.add_member('org:acme', 'user:ann', '{tokens:manage}');

-- what a statement comes to by each token, presented by a client at 10.0.0.1, and taken back afterwards
CREATE FUNCTION attempt(token text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tokenauth.authenticate(token, client => '10.0.0.1');
    EXECUTE statement;
    RAISE SQLSTATE 'RB000';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'RB000' THEN 'done' ELSE SQLSTATE END;
END
$$;
CREATE TABLE presented (number integer GENERATED ALWAYS AS IDENTITY, name text, token text, id uuid);
CREATE TABLE held (name text, id uuid);
CREATE TABLE operation (number integer GENERATED ALWAYS AS IDENTITY, what text, statement text);
CREATE VIEW matrix AS
SELECT o.number, o.what, string_agg(p.name, ' ' ORDER BY p.number) FILTER (WHERE result = 'done') AS done,
       string_agg(p.name, ' ' ORDER BY p.number) FILTER (WHERE result = '42501') AS "42501",
       string_agg(p.name || '=' || result, ' ' ORDER BY p.number) FILTER (WHERE result NOT IN ('done', '42501')) AS other
  FROM operation o CROSS JOIN presented p CROSS JOIN LATERAL attempt(p.token, o.statement) AS result
 GROUP BY o.number, o.what;

-- what a token was granted and its owner has lost for a while is dormant: only a token that will grant it again hands it on
INSERT INTO presented (name, token, id) SELECT 'narrow', token, id FROM tokenauth.issue('key', 'user:ann', scopes => '{a}');
INSERT INTO presented (name, token, id) SELECT 'near', token, id FROM tokenauth.issue('key', 'user:ann', scopes => '{a,b}', data_scopes => '{"site": ["nyc"]}');
INSERT INTO presented (name, token, id) SELECT 'equal', token, id FROM tokenauth.issue('key', 'user:ann', scopes => '{a,b}');
INSERT INTO presented (name, token, id) SELECT 'other', token, id FROM tokenauth.issue('other', 'user:ann', scopes => '{a,b}', expires_at => 'infinity');
INSERT INTO presented (name, token, id) SELECT 'live', token, id FROM tokenauth.issue('live', 'user:ann');
INSERT INTO held SELECT 'key', id FROM tokenauth.issue('key', 'user:ann', scopes => '{a,b}', expires_in => '10 days', networks => '{10.0.0.0/8}');
INSERT INTO held SELECT 'disabled', id FROM tokenauth.issue('key', 'user:ann', scopes => '{a,b}');
SELECT tokenauth.disable(id) FROM held WHERE name = 'disabled';
SELECT tokenauth.put_principal('user:ann', '{a,tokens:manage}', '{"site": ["nyc"]}');
INSERT INTO operation (what, statement)
SELECT what, format(statement, id)
  FROM held JOIN (VALUES
    (1, 'key', 'rotate', 'SELECT tokenauth.rotate(%L)'),
    (2, 'disabled', 'enable', 'SELECT tokenauth.enable(%L)'),
    (3, 'key', 'give it more life', $$SELECT tokenauth.edit(%L, expires_in => '20 days')$$),
    (4, 'key', 'give it more places', $$SELECT tokenauth.edit(%L, networks => '{}')$$),
    (5, 'key', 'give it what is dormant', $$SELECT tokenauth.edit(%L, data_scopes => '{"site": ["nyc", "lon"]}')$$),
    (6, 'key', 'shorten it', $$SELECT tokenauth.edit(%L, expires_in => '1 day')$$),
    (7, 'key', 'give it fewer places', $$SELECT tokenauth.edit(%L, networks => '{10.1.0.0/16}')$$),
    (8, 'key', 'cut it', $$SELECT tokenauth.edit(%L, scopes => '{a}', data_scopes => '{"site": ["nyc"]}')$$),
    (9, 'key', 'disable', 'SELECT tokenauth.disable(%L)'),
    (10, 'key', 'revoke', 'SELECT tokenauth.revoke(%L)')) AS o (rank, name, what, statement) USING (name) ORDER BY rank;
SELECT what, done, "42501", other FROM matrix ORDER BY number;
-- … and to reveal is to hand out: who may is told that the text was not kept, 55000
UPDATE tokenauth.kind SET reveal = true WHERE name = 'key';
SELECT p.name, attempt(token, format('SELECT tokenauth.reveal(%L)', h.id)) FROM presented p, held h WHERE h.name = 'key' ORDER BY p.number;
UPDATE tokenauth.kind SET reveal = false WHERE name = 'key';
-- … also what the ceiling of its kind has cut may come back
SELECT tokenauth.put_principal('user:ann', '{a,b,tokens:manage}', '{"site": ["nyc", "lon"]}');
SELECT what, done, "42501", other FROM matrix WHERE what IN ('rotate', 'enable') ORDER BY number;
UPDATE tokenauth.kind SET ceiling = '{a}' WHERE name = 'key';
-- … a successor gets no more than a new token of its kind could, so that may be passed on
SELECT what, done, "42501", other FROM matrix WHERE what IN ('rotate', 'enable') ORDER BY number;
BEGIN;
SELECT count(*) FROM tokenauth.rotate((SELECT id FROM held WHERE name = 'key'));
SELECT scopes FROM tokenauth.tokens WHERE rotated_from = (SELECT id FROM held WHERE name = 'key');
ROLLBACK;
UPDATE tokenauth.kind SET ceiling = NULL WHERE name = 'key';

-- an actor passes on what it holds itself: what its own tokens may come to grant, and an organisation's may not
SELECT token AS acmes, id AS acmes_id FROM tokenauth.issue('key', 'org:acme') \gset
SELECT token AS anns, id AS anns_id FROM tokenauth.issue('key', 'user:ann') \gset
SELECT id AS keeps FROM tokenauth.issue('kept', 'user:ann', scopes => '{a,b}') \gset
SELECT tokenauth.put_principal('user:ann', '{a,tokens:manage}', '{"site": ["nyc"]}');
SELECT tokenauth.put_principal('org:acme', '{a}');
SELECT count(*) FROM tokenauth.rotate(:'anns_id', actor => 'user:ann');
SELECT tokenauth.rotate(:'acmes_id', actor => 'user:ann');
\echo :SQLSTATE
SELECT scopes FROM tokenauth.edit(:'acmes_id', scopes => '{a}', actor => 'user:ann');
SELECT count(*) FROM tokenauth.rotate(:'acmes_id', actor => 'user:ann');
-- … nor its own of a kind that keeps what its owner has lost
SELECT tokenauth.put_principal('user:ann', data_scopes => '{"site": ["nyc", "lon"]}');
UPDATE tokenauth.kind SET ceiling = '{a}' WHERE name = 'kept';
SELECT networks FROM tokenauth.edit(:'keeps', networks => '{10.0.0.0/8}', actor => 'user:ann');
SELECT tokenauth.edit(:'keeps', networks => '{}', actor => 'user:ann');
\echo :SQLSTATE
UPDATE tokenauth.kind SET ceiling = NULL WHERE name = 'kept';
SELECT tokenauth.put_principal('user:ann', '{a,b,tokens:manage}', '{"site": ["nyc", "lon"]}');
SELECT tokenauth.put_principal('org:acme', '{a,b}');

-- life: a default is cut to the end of the token presented, what is asked for must lie before it
TRUNCATE presented, held, operation;
INSERT INTO presented (name, token, id) SELECT 'month', token, id FROM tokenauth.issue('key', 'user:ann', expires_in => '30 days');
INSERT INTO presented (name, token, id) SELECT 'ever', token, id FROM tokenauth.issue('key', 'user:ann');
SELECT token AS month, expires_at AS month_end, id AS month_id FROM tokenauth.issue('key', 'user:ann', expires_in => '30 days') \gset
INSERT INTO held SELECT 'week', id FROM tokenauth.issue('key', 'user:ann', expires_in => '7 days');
INSERT INTO held SELECT 'year', id FROM tokenauth.issue('key', 'user:ann', expires_in => '1 year');
INSERT INTO held SELECT 'disabled week', id FROM tokenauth.issue('key', 'user:ann', expires_in => '7 days');
INSERT INTO held SELECT 'disabled year', id FROM tokenauth.issue('key', 'user:ann', expires_in => '1 year');
SELECT tokenauth.disable(id) FROM held WHERE name LIKE 'disabled%';
INSERT INTO operation (what, statement) VALUES
    ('issue for ever', $$SELECT tokenauth.issue('key', 'user:ann')$$),
    ('issue for ever, said', $$SELECT tokenauth.issue('other', 'user:ann', expires_at => 'infinity')$$),
    ('issue for a year', $$SELECT tokenauth.issue('key', 'user:ann', expires_in => '1 year')$$),
    ('issue for a week', $$SELECT tokenauth.issue('key', 'user:ann', expires_in => '7 days')$$),
    ('issue by default', $$SELECT tokenauth.issue('other', 'user:ann')$$),
    ('import for ever', $$SELECT tokenauth.import('key', 'user:ann', repeat('ab', 32), 'sha256')$$),
    ('import for a week', $$SELECT tokenauth.import('key', 'user:ann', repeat('ab', 32), 'sha256', expires_at => now() + '7 days')$$);
INSERT INTO operation (what, statement)
SELECT format(what, name), format(statement, id)
  FROM held JOIN (VALUES
    (1, 'week', 'rotate %s', 'SELECT tokenauth.rotate(%L)'),
    (2, 'year', 'rotate %s', 'SELECT tokenauth.rotate(%L)'),
    (3, 'year', 'rotate %s into a week', $$SELECT tokenauth.rotate(%L, expires_in => '7 days')$$),
    (4, 'week', 'rotate %s into a year', $$SELECT tokenauth.rotate(%L, expires_in => '1 year')$$),
    (5, 'disabled week', 'enable %s', 'SELECT tokenauth.enable(%L)'),
    (6, 'disabled year', 'enable %s', 'SELECT tokenauth.enable(%L)'),
    (7, 'week', 'edit %s into a year', $$SELECT tokenauth.edit(%L, expires_in => '1 year')$$),
    (8, 'week', 'edit %s into ever', $$SELECT tokenauth.edit(%L, expires_at => 'infinity')$$),
    (9, 'week', 'edit %s into two', $$SELECT tokenauth.edit(%L, expires_in => '14 days')$$),
    (10, 'year', 'edit %s into half', $$SELECT tokenauth.edit(%L, expires_in => '180 days')$$),
    (11, 'year', 'edit name of %s', $$SELECT tokenauth.edit(%L, name => 'n')$$),
    (12, 'year', 'edit scopes of %s', $$SELECT tokenauth.edit(%L, scopes => '{a}')$$),
    (13, 'year', 'disable %s', 'SELECT tokenauth.disable(%L)'),
    (14, 'year', 'revoke %s', 'SELECT tokenauth.revoke(%L)')) AS o (rank, name, what, statement) USING (name) ORDER BY rank;
SELECT what, done, "42501", other FROM matrix ORDER BY number;
BEGIN;
SELECT tokenauth.authenticate(:'month');
SELECT expires_at = :'month_end' AS cut FROM tokenauth.issue('other', 'user:ann');
SELECT expires_at = :'month_end' AS same_end FROM tokenauth.rotate(:'month_id', '1 day');
ROLLBACK;
-- … so a token does not prolong its own life, nor does a chain of tokens
SELECT attempt(:'month', format($$SELECT tokenauth.edit(%L, expires_in => '31 days')$$, :'month_id')) AS edit,
       attempt(:'month', format($$SELECT tokenauth.edit(%L, expires_at => 'infinity')$$, :'month_id')) AS edit_for_ever,
       attempt(:'month', format($$SELECT tokenauth.rotate(%L, expires_in => '31 days')$$, :'month_id')) AS rotate,
       attempt(:'month', format($$SELECT tokenauth.edit(%L, expires_in => '1 day')$$, :'month_id')) AS shorten;
-- … what has expired is not brought back to where the token presented does not reach
INSERT INTO tokenauth.kind (name, prefix, expired_editable) VALUES ('lasting', 'lasting_', true);
SELECT id AS expired FROM tokenauth.issue('lasting', 'user:ann', expires_in => '1 millisecond') \gset
SELECT token AS bound FROM tokenauth.issue('lasting', 'user:ann', networks => '{10.0.0.0/8}') \gset
SELECT token AS unbound FROM tokenauth.issue('lasting', 'user:ann') \gset
SELECT pg_sleep(0.01);
SELECT attempt(:'bound', format($$SELECT tokenauth.edit(%L, expires_in => '1 day')$$, :'expired')) AS bound,
       attempt(:'bound', format($$SELECT tokenauth.edit(%L, expires_in => '1 day', networks => '{10.0.0.0/8}')$$, :'expired')) AS bound_as_well,
       attempt(:'unbound', format($$SELECT tokenauth.edit(%L, expires_in => '1 day')$$, :'expired')) AS unbound;

-- networks: those of the token presented or narrower ones, and never none
TRUNCATE presented, held, operation;
INSERT INTO presented (name, token, id) SELECT 'office', token, id FROM tokenauth.issue('key', 'user:ann', networks => '{10.0.0.0/9,10.128.0.0/9}');
INSERT INTO presented (name, token, id) SELECT 'anywhere', token, id FROM tokenauth.issue('key', 'user:ann');
INSERT INTO held SELECT 'desk', id FROM tokenauth.issue('key', 'user:ann', networks => '{10.0.0.1}');
INSERT INTO held SELECT 'home', id FROM tokenauth.issue('key', 'user:ann', networks => '{10.0.0.1,192.168.0.0/16}');
INSERT INTO held SELECT 'disabled home', id FROM tokenauth.issue('key', 'user:ann', networks => '{192.168.0.0/16}');
INSERT INTO held SELECT 'unbound', id FROM tokenauth.issue('key', 'user:ann');
SELECT tokenauth.disable(id) FROM held WHERE name LIKE 'disabled%';
INSERT INTO operation (what, statement) VALUES
    ('issue unbound', $$SELECT tokenauth.issue('key', 'user:ann')$$),
    ('issue for all addresses', $$SELECT tokenauth.issue('key', 'user:ann', networks => '{0.0.0.0/0,::/0}')$$),
    ('issue for home', $$SELECT tokenauth.issue('key', 'user:ann', networks => '{10.0.0.0/8,192.168.0.0/16}')$$),
    ('issue for the office', $$SELECT tokenauth.issue('key', 'user:ann', networks => '{10.0.0.0/8}')$$),
    ('issue for a desk', $$SELECT tokenauth.issue('key', 'user:ann', networks => '{10.0.0.1}')$$),
    ('import', $$SELECT tokenauth.import('key', 'user:ann', repeat('ab', 32), 'sha256')$$);
INSERT INTO operation (what, statement)
SELECT format(what, name), format(statement, id)
  FROM held JOIN (VALUES
    (1, 'desk', 'rotate %s', 'SELECT tokenauth.rotate(%L)'),
    (2, 'home', 'rotate %s', 'SELECT tokenauth.rotate(%L)'),
    (3, 'unbound', 'rotate %s', 'SELECT tokenauth.rotate(%L)'),
    (4, 'disabled home', 'enable %s', 'SELECT tokenauth.enable(%L)'),
    (5, 'desk', 'edit %s into the office', $$SELECT tokenauth.edit(%L, networks => '{10.0.0.0/8}')$$),
    (6, 'desk', 'edit %s into unbound', $$SELECT tokenauth.edit(%L, networks => '{}')$$),
    (7, 'home', 'edit %s into less', $$SELECT tokenauth.edit(%L, networks => '{192.168.1.0/24}')$$),
    (8, 'unbound', 'edit %s into home', $$SELECT tokenauth.edit(%L, networks => '{192.168.0.0/16}')$$),
    (9, 'home', 'edit life of %s', $$SELECT tokenauth.edit(%L, expires_in => '1 day')$$),
    (10, 'unbound', 'edit %s as it is', $$SELECT tokenauth.edit(%L, networks => '{}')$$)) AS o (rank, name, what, statement) USING (name) ORDER BY rank;
SELECT what, done, "42501", other FROM matrix ORDER BY number;

-- each refusal says what to do
BEGIN;
SELECT tokenauth.authenticate(token, client => '10.0.0.1') FROM presented WHERE name = 'office';
SELECT tokenauth.issue('key', 'user:ann');
ROLLBACK;
BEGIN;
SELECT tokenauth.authenticate(:'month');
\set VERBOSITY terse
SELECT tokenauth.issue('key', 'user:ann');
\set VERBOSITY default
ROLLBACK;

-- a live token follows its owner: no token of somebody else hands it on, although it grants no more now
SELECT token AS live FROM tokenauth.issue('live', 'user:ann') \gset
SELECT id AS bens FROM tokenauth.issue('live', 'user:ben') \gset
SELECT attempt(:'live', $$SELECT tokenauth.issue('live', 'user:ann')$$) AS issue,
       attempt(:'live', $$SELECT tokenauth.issue('live', 'user:ben')$$) AS issue_for_ben,
       attempt(:'live', format('SELECT tokenauth.rotate(%L)', :'bens')) AS rotate_bens,
       attempt(:'live', format('SELECT tokenauth.enable(%L)', :'bens')) AS enable_bens,
       attempt(:'live', format($$SELECT tokenauth.edit(%L, name => 'n')$$, :'bens')) AS name_bens,
       attempt(:'live', format('SELECT tokenauth.revoke(%L)', :'bens')) AS revoke_bens;
BEGIN;
SELECT tokenauth.authenticate(:'live');
SELECT tokenauth.issue('live', 'user:ben');
ROLLBACK;

-- … but the token of a member does for the organisation whose tokens the member manages
SELECT attempt(:'live', $$SELECT tokenauth.issue('live', 'org:acme')$$) AS issue_for_acme;

-- … while its kind is of another mode too, none hands it on that was granted less
SELECT id AS ungranted FROM tokenauth.issue('live', 'user:ann', expires_in => '1 hour') \gset
UPDATE tokenauth.kind SET permission_mode = 'intersect' WHERE name = 'live';
SELECT token AS granted FROM tokenauth.issue('key', 'user:ann', scopes => '{a}') \gset
SELECT attempt(:'granted', format('SELECT tokenauth.rotate(%L)', :'ungranted')) AS rotate,
       attempt(:'granted', format($$SELECT tokenauth.edit(%L, expires_in => '2 hours')$$, :'ungranted')) AS prolong;
UPDATE tokenauth.kind SET permission_mode = 'live' WHERE name = 'live';

-- who may not issue for an owner is not told whether there is one
SELECT token AS bens, id AS bens_id FROM tokenauth.issue('key', 'user:ben') \gset
SELECT tokenauth.put_principal('user:gone');
SELECT tokenauth.drop_principal('user:gone');
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RAISE SQLSTATE 'RB000';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'RB000' THEN 'done' ELSE SQLSTATE END;
END
$$;
CREATE TABLE about (number integer, what text, statement text);
INSERT INTO about VALUES
    (1, 'issue', 'SELECT tokenauth.issue(''key'', %L, actor => %L)'),
    (2, 'import', 'SELECT tokenauth.import(''key'', %L, repeat(''ab'', 32), ''sha256'', actor => %L)'),
    (3, 'revoke_all', 'SELECT tokenauth.revoke_all(%L, actor => %L)'),
    (4, 'list', 'SELECT count(*) FROM tokenauth.list(owner => %L, actor => %L)');
CREATE TABLE whom (number integer, owner text);
INSERT INTO whom VALUES (1, 'user:ann'), (2, 'org:acme'), (3, 'user:gone'), (4, 'user:nobody');
SELECT what, string_agg(owner || '=' || attempt(format(statement, owner, 'session')), ' ' ORDER BY w.number) AS trusted
  FROM about a, whom w GROUP BY a.number, what ORDER BY a.number;
SELECT what, string_agg(owner || '=' || attempt(format(statement, owner, 'user:ben')), ' ' ORDER BY w.number) AS by_ben
  FROM about a, whom w GROUP BY a.number, what ORDER BY a.number;
SELECT what, string_agg(owner || '=' || attempt(:'bens', format(statement, owner, 'session')), ' ' ORDER BY w.number) AS by_bens_token
  FROM about a, whom w GROUP BY a.number, what ORDER BY a.number;
SELECT owner, tokenauth.grantable('key', owner, 'user:ben') AS by_ben FROM whom ORDER BY number;
-- … and nobody who may do nothing is told which tokens there are
SELECT tokenauth.put_principal('user:asleep', active => false);
SELECT what, attempt(format(statement, '00000000-0000-0000-0000-000000000000', 'user:asleep')) AS no_such_token,
       attempt(format(statement, :'bens_id', 'user:asleep')) AS a_token
  FROM (VALUES (1, 'revoke', 'SELECT tokenauth.revoke(%L, actor => %L)'), (2, 'edit', 'SELECT tokenauth.edit(%L, actor => %L)'),
               (3, 'enable', 'SELECT tokenauth.enable(%L, %L)'), (4, 'rotate', 'SELECT tokenauth.rotate(%L, actor => %L)')) AS o (number, what, statement)
 ORDER BY number;
