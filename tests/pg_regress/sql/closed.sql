-- A closed kind gets no new tokens, by whichever door; those that are there work on, can be edited, disabled, enabled and
-- revoked. Opening it again is one UPDATE.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, manage_permission) VALUES ('old', 'old_', 'tokens:manage'), ('new', 'new_', NULL);
SELECT tokenauth.put_principal('user:alice', '{devices:*}');
SELECT tokenauth.put_principal('user:bob', '{devices:*}');
SELECT id, token FROM tokenauth.issue('old', 'user:alice', 'laptop', scopes => '{devices:read,devices:write}', expires_in => '1 day') \gset
SELECT tokenauth.grantable('old', 'user:alice');

UPDATE tokenauth.kind SET closed = true WHERE name = 'old';

-- no new token, whoever asks
SELECT tokenauth.issue('old', 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.issue('old', 'user:alice', actor => 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.rotate(:'id');
\echo :SQLSTATE
SELECT tokenauth.rotate(:'id', '1 hour', actor => 'user:alice');
\echo :SQLSTATE
SELECT tokenauth.import('old', 'user:alice', repeat('ab', 32), 'sha256');
\echo :SQLSTATE
BEGIN;
SELECT tokenauth.authenticate(:'token');
SELECT tokenauth.issue('old', 'user:alice', expires_in => '1 hour');
\echo :SQLSTATE
ROLLBACK;
-- … and no button for one
SELECT tokenauth.grantable('old', 'user:alice'), tokenauth.grantable('old', 'user:alice', 'user:alice');
-- who may not hand out tokens of the kind is told only that
SELECT tokenauth.issue('old', 'user:alice', actor => 'user:bob');
\echo :SQLSTATE
-- the refused rotation has left the token as it was, and the events say nothing
SELECT status, rotated_from FROM tokenauth.tokens WHERE id = :'id';
SELECT count(*) FROM tokenauth.tokens;
SELECT event, before -> 'closed' AS before, after -> 'closed' AS after FROM tokenauth.events WHERE kind = 'old' ORDER BY id;

-- the token there is works on
SELECT verdict, scopes FROM tokenauth.verify(:'token');
SELECT name, scopes FROM tokenauth.edit(:'id', name => 'desktop', scopes => '{devices:read}', expires_in => '2 days');
SELECT tokenauth.disable(:'id'), tokenauth.enable(:'id');
SELECT verdict, scopes FROM tokenauth.verify(:'token');
SELECT name, status FROM tokenauth.list('user:alice');

-- other kinds are open
SELECT kind FROM tokenauth.issue('new', 'user:alice');

-- the column is true or false
\set VERBOSITY terse
UPDATE tokenauth.kind SET closed = NULL WHERE name = 'old';
\echo :SQLSTATE
\set VERBOSITY default

-- opened again
UPDATE tokenauth.kind SET closed = false WHERE name = 'old';
SELECT name, scopes FROM tokenauth.rotate(:'id');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT tokenauth.grantable('old', 'user:alice');

-- a kind may be closed from the start
INSERT INTO tokenauth.kind (name, prefix, closed) VALUES ('never', 'never_', true);
SELECT tokenauth.issue('never', 'user:alice');
\echo :SQLSTATE
