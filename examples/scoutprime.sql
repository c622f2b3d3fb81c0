-- scoutPRIME: tokens for members of one group, with a description and a required lifetime; expired ones cannot be edited.
-- Each quotation is from scoutPRIME's documentation; the statements below it show that it holds.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
SET IntervalStyle = 'postgres';

INSERT INTO tokenauth.kind (name, prefix, permission_mode, issue_permission, lifetime_required, expired_editable)
VALUES ('api', 'scout_', 'live', 'group:api-tokens', true, false);
SELECT tokenauth.put_principal('user:dana', '{group:api-tokens,workspaces:*}');
SELECT tokenauth.put_principal('user:eli', '{workspaces:*}');

-- "To manage scoutPRIME API Tokens, you must be a user in the "API Tokens Group" otherwise the link will not be visible to you from
-- the drop-down menu."
SELECT tokenauth.grantable('api', 'user:dana', 'user:dana') IS NOT NULL AS dana_sees_the_link,
       tokenauth.grantable('api', 'user:eli', 'user:eli') IS NOT NULL AS eli_sees_the_link;
SELECT tokenauth.issue('api', 'user:eli', description => 'mine', expires_in => '15 days', actor => 'user:eli');
\echo :SQLSTATE
-- … and members can issue tokens only for themselves
SELECT tokenauth.issue('api', 'user:eli', description => 'for Eli', expires_in => '15 days', actor => 'user:dana');
\echo :SQLSTATE

-- "Enter a brief description for the token in the Description field. Then, under Timeout, you must select a number value to specify the
-- length of time that the API token will be active (e.g., "15" Days)."
SELECT tokenauth.issue('api', 'user:dana', description => 'nightly export', actor => 'user:dana');
\echo :SQLSTATE
SELECT token, id FROM tokenauth.issue('api', 'user:dana', description => 'nightly export', expires_in => make_interval(days => 15), actor => 'user:dana') \gset

-- "Click Create to create the token […]. The newly added token will be listed on the API Tokens screen."
-- "The token is not visible"
SELECT description, expires_at - created_at AS timeout, status, hint ~ '^scout_[0-9A-Za-z]{8}…[0-9A-Za-z]{4}$' AS masked FROM tokenauth.list('user:dana');
SELECT verdict, scopes FROM tokenauth.verify(:'token');

-- "Clicking on Show next to an API Token removes the dots that mask the token code, allowing it to be read when necessary."
-- This needs a kind that keeps texts, and a server whose tokenauth.key_file has a key to seal them.
SELECT current_setting('tokenauth.key_file') <> '' AS has_keys \gset
\if :has_keys
INSERT INTO tokenauth.kind (name, prefix, permission_mode, issue_permission, lifetime_required, reveal)
VALUES ('shown', 'scouts_', 'live', 'group:api-tokens', true, true);
SELECT token AS shown, id AS shown_id FROM tokenauth.issue('shown', 'user:dana', expires_in => '15 days', actor => 'user:dana') \gset
SELECT tokenauth.reveal(:'shown_id', actor => 'user:dana') = :'shown' AS as_it_was_issued;
SELECT tokenauth.reveal(:'shown_id', actor => 'user:dana') = :'shown' AS again;
-- … nobody else can read it, and each reveal is recorded
\set VERBOSITY sqlstate
SELECT tokenauth.reveal(:'shown_id', actor => 'user:eli');
\set VERBOSITY default
SELECT event, actor FROM tokenauth.events WHERE token_id = :'shown_id' ORDER BY id;
-- … after deletion it cannot be read again: even the sealed text is gone
SELECT tokenauth.delete(:'shown_id', 'user:dana');
\set VERBOSITY sqlstate
SELECT tokenauth.reveal(:'shown_id', actor => 'user:dana');
\set VERBOSITY default
SELECT sealed IS NULL AS wiped FROM tokenauth.token WHERE id = :'shown_id';
\endif

-- "Once an API token has been created, you can edit the duration of the token, and its descriptive text."
SELECT description, expires_at - now() BETWEEN '29 days 23 hours' AND '30 days 1 hour' AS thirty_days_from_now
  FROM tokenauth.edit(:'id', description => 'nightly export, all workspaces', expires_in => make_interval(days => 30), actor => 'user:dana');
SELECT description FROM tokenauth.edit(:'id', description => 'weekly export', actor => 'user:dana');
SELECT verdict FROM tokenauth.verify(:'token');
-- … but a token must have a timeout
SELECT tokenauth.edit(:'id', expires_at => 'infinity', actor => 'user:dana');
\echo :SQLSTATE
-- "You cannot edit the token code.": no argument would allow it
SELECT 'token' = ANY (proargnames) AS token_is_an_argument FROM pg_proc WHERE oid = 'tokenauth.edit'::regproc;
SELECT verdict FROM tokenauth.verify(:'token');

-- "If you have an expired token, you must delete it and create a new one. You cannot modify expired tokens."
SELECT token AS old, id AS old_id FROM tokenauth.issue('api', 'user:dana', description => 'brief', expires_in => '1 millisecond', actor => 'user:dana') \gset
SELECT pg_sleep(0.01);
SELECT verdict, http_status FROM tokenauth.verify(:'old');
SELECT description, status FROM tokenauth.list('user:dana') ORDER BY description;
\set VERBOSITY sqlstate
SELECT tokenauth.edit(:'old_id', expires_in => '15 days', actor => 'user:dana');
SELECT tokenauth.edit(:'old_id', description => 'still mine', actor => 'user:dana');
SELECT tokenauth.edit(:'old_id', expires_in => '15 days');
SELECT tokenauth.rotate(:'old_id', expires_in => '15 days', actor => 'user:dana');
\set VERBOSITY default
SELECT tokenauth.delete(:'old_id', 'user:dana');
SELECT token AS renewed FROM tokenauth.issue('api', 'user:dana', description => 'brief', expires_in => '15 days', actor => 'user:dana') \gset
SELECT verdict FROM tokenauth.verify(:'renewed');
SELECT description, status FROM tokenauth.list('user:dana') ORDER BY description;

-- "If you delete a token, it will be removed from the API Tokens screen."
SELECT tokenauth.delete(:'id', 'user:dana');
SELECT description FROM tokenauth.list('user:dana');
SELECT verdict, http_status FROM tokenauth.verify(:'token');
\set VERBOSITY sqlstate
SELECT tokenauth.delete(:'id', 'user:dana') AS once_more;
\set VERBOSITY default

-- a user who leaves the group no longer sees the link, but can still revoke its own tokens
SELECT tokenauth.put_principal('user:dana', '{workspaces:*}');
SELECT tokenauth.grantable('api', 'user:dana', 'user:dana') IS NOT NULL AS dana_sees_the_link;
SELECT count(*) FROM tokenauth.list('user:dana');
SELECT tokenauth.issue('api', 'user:dana', description => 'one more', expires_in => '15 days', actor => 'user:dana');
\echo :SQLSTATE
SELECT tokenauth.revoke(token_id, actor => 'user:dana') FROM tokenauth.verify(:'renewed');
SELECT verdict FROM tokenauth.verify(:'renewed');
