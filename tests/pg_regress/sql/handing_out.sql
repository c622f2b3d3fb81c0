-- No stranger learns which principals and tokens exist: neither an actor nor who presents a token.
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
