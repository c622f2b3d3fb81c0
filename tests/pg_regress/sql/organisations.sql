-- Organisations are principals with members: members with the kind's manage_permission there see and manage its tokens, which
-- belong to the organisation and outlive whoever issued them. A change of membership is in force at the next call.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
INSERT INTO tokenauth.kind (name, prefix, owner_types, owner_inactive, manage_permission) VALUES ('key', 'sk_', '{user,org}', 'suspend', 'keys:manage');
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('mortal', 'mortal_', '{user,org}');
SELECT tokenauth.put_principal('org:acme', '{workspaces:*}');
SELECT tokenauth.put_principal('org:rival', '{workspaces:*}');
SELECT tokenauth.put_principal('user:ann', '{}');
SELECT tokenauth.put_principal('user:ben', '{}');

-- a member is added; the same again changes what it holds there, and nothing changed is no event
SELECT tokenauth.add_member('org:acme', 'user:ann', '{keys:manage,workspaces:*,workspaces:read}');
SELECT tokenauth.add_member('org:acme', 'user:ben');
SELECT tokenauth.add_member('org:acme', 'user:ben', '{}');
SELECT tokenauth.add_member('org:acme', 'user:ben', '{workspaces:read}');
SELECT org, member, permissions FROM tokenauth.member ORDER BY org, member;
SELECT event, owner, before, after, actor, role = session_user AS by_me FROM tokenauth.events WHERE event LIKE 'member.%' ORDER BY id;

-- what is not there, absent or malformed
SELECT tokenauth.add_member('org:nobody', 'user:ann');
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', 'user:nobody');
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', 'org:acme');
\echo :SQLSTATE
SELECT tokenauth.add_member('acme', 'user:ann');
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', 'ann');
\echo :SQLSTATE
SELECT tokenauth.add_member(NULL, 'user:ann');
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', NULL);
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', 'user:ann', NULL);
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', 'user:ann', '{NULL}');
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', 'user:ann', '{"keys manage"}');
\echo :SQLSTATE
SELECT tokenauth.remove_member('org:acme', 'user:nobody');
\echo :SQLSTATE
SELECT tokenauth.remove_member('org:acme', NULL);
\echo :SQLSTATE
SELECT tokenauth.remove_member(NULL, 'user:ann');
\echo :SQLSTATE
SELECT tokenauth.remove_member('org:acme', 'org:acme');
\echo :SQLSTATE
SELECT tokenauth.remove_member('org:rival', 'user:ann');
SELECT permissions FROM tokenauth.member WHERE member = 'user:ann';

-- with the permission a member issues, sees and manages what belongs to the organisation
SELECT token, id FROM tokenauth.issue('key', 'org:acme', 'deploy', actor => 'user:ann') \gset
SELECT owner, name, created_by, scopes FROM tokenauth.list('user:ann');
SELECT name FROM tokenauth.edit(:'id', name => 'deploy 2', actor => 'user:ann');
SELECT verdict, owner, scopes FROM tokenauth.verify(:'token', '{workspaces:write}');
-- … without it not: there are no such tokens
SELECT count(*) FROM tokenauth.list('user:ben');
SELECT tokenauth.issue('key', 'org:acme', actor => 'user:ben');
\echo :SQLSTATE
-- … nor in another organisation
SELECT tokenauth.issue('key', 'org:rival', actor => 'user:ann');
\echo :SQLSTATE
SELECT count(*) FROM tokenauth.issue('key', 'org:rival');
SELECT owner FROM tokenauth.list('user:ann');
-- … nor does the membership open the member's own tokens any wider
SELECT scopes FROM tokenauth.issue('key', 'user:ann', actor => 'user:ann');
SELECT tokenauth.issue('key', 'user:ann', scopes => '{workspaces:read}', actor => 'user:ann');
\echo :SQLSTATE

-- a change is in force at the next call, also in a transaction with an older snapshot
SELECT tokenauth.add_member('org:acme', 'user:ben', '{keys:manage,workspaces:read}');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT owner FROM tokenauth.list('user:ben');
SELECT scopes FROM tokenauth.issue('key', 'org:acme', scopes => '{workspaces:read}', actor => 'user:ben');
SELECT tokenauth.remove_member('org:acme', 'user:ben');
SELECT count(*) FROM tokenauth.list('user:ben');
SAVEPOINT before;
SELECT tokenauth.issue('key', 'org:acme', scopes => '{workspaces:read}', actor => 'user:ben');
\echo :SQLSTATE
ROLLBACK TO before;
SELECT tokenauth.grantable('key', 'org:acme', 'user:ben');
ROLLBACK;
SELECT tokenauth.grantable('key', 'org:acme', 'user:ben');
SELECT tokenauth.issue('key', 'org:acme', actor => 'user:ben');
\echo :SQLSTATE

-- tokens of the organisation outlive the membership, the account and the existence of whoever issued them
SELECT tokenauth.remove_member('org:acme', 'user:ann');
SELECT tokenauth.remove_member('org:acme', 'user:ann');
SELECT verdict, owner FROM tokenauth.verify(:'token');
SELECT count(*) FROM tokenauth.list('user:ann', 'org:acme');
SELECT tokenauth.deactivate('user:ann');
SELECT verdict, owner FROM tokenauth.verify(:'token');
SELECT tokenauth.drop_principal('user:ann');
SELECT verdict, owner FROM tokenauth.verify(:'token');
SELECT status, created_by FROM tokenauth.tokens WHERE id = :'id';

-- a dropped member comes back without its memberships
SELECT tokenauth.add_member('org:acme', 'user:ben', '{keys:manage,workspaces:*}');
SELECT tokenauth.add_member('org:rival', 'user:ben', '{keys:manage}');
SELECT tokenauth.drop_principal('user:ben');
SELECT count(*) FROM tokenauth.member;
SELECT tokenauth.put_principal('user:ben');
SELECT count(*) FROM tokenauth.list('user:ben');
SELECT tokenauth.issue('key', 'org:acme', actor => 'user:ben');
\echo :SQLSTATE
SELECT tokenauth.add_member('org:acme', 'user:ann');
\echo :SQLSTATE

-- an inactive member can do nothing; its membership is there again when it is active
SELECT tokenauth.add_member('org:acme', 'user:ben', '{keys:manage,workspaces:*}');
SELECT tokenauth.deactivate('user:ben');
SELECT tokenauth.list('user:ben');
\echo :SQLSTATE
SELECT tokenauth.issue('key', 'org:acme', actor => 'user:ben');
\echo :SQLSTATE
SELECT tokenauth.activate('user:ben');
SELECT count(*) FROM tokenauth.list('user:ben', 'org:acme');

-- an inactive organisation: its tokens rest or are dead, as their kind says, and none is issued
SELECT token AS mortal FROM tokenauth.issue('mortal', 'org:acme') \gset
SELECT tokenauth.deactivate('org:acme', 'unpaid');
SELECT verdict, http_status, detail FROM tokenauth.verify(:'token');
SELECT verdict, http_status FROM tokenauth.verify(:'mortal');
SELECT tokenauth.issue('key', 'org:acme', actor => 'user:ben');
\echo :SQLSTATE
SELECT tokenauth.grantable('key', 'org:acme', 'user:ben');
SELECT tokenauth.rotate(:'id', actor => 'user:ben');
\echo :SQLSTATE
SELECT status FROM tokenauth.list('user:ben', 'org:acme') WHERE id = :'id';
SELECT tokenauth.activate('org:acme');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT verdict FROM tokenauth.verify(:'mortal');

-- what the organisation loses, its tokens lose
SELECT tokenauth.put_principal('org:acme', '{workspaces:read}');
SELECT scopes FROM tokenauth.verify(:'token');
SELECT tokenauth.put_principal('org:acme', '{workspaces:*}');

-- dropping the organisation kills its tokens for good, of suspend kinds too, and ends every membership
SELECT tokenauth.drop_principal('org:acme');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT count(*) FROM tokenauth.member WHERE org = 'org:acme';
SELECT count(*) FROM tokenauth.list('user:ben');
SELECT tokenauth.add_member('org:acme', 'user:ben', '{*}');
\echo :SQLSTATE
SELECT tokenauth.put_principal('org:acme', '{workspaces:*}');
SELECT verdict FROM tokenauth.verify(:'token');
SELECT count(*) FROM tokenauth.list('user:ben');

-- membership is not passed on: a member of a member is none
SELECT tokenauth.put_principal('org:parent', '{workspaces:*}');
SELECT tokenauth.add_member('org:parent', 'org:acme', '{keys:manage,workspaces:*}');
SELECT tokenauth.add_member('org:acme', 'user:ben', '{keys:manage,workspaces:*}');
SELECT tokenauth.issue('key', 'org:parent', actor => 'user:ben');
\echo :SQLSTATE
SELECT owner FROM tokenauth.issue('key', 'org:parent', actor => 'org:acme');

-- every change of a membership is in the events
SELECT event, count(*) FROM tokenauth.events WHERE event IN ('member.added', 'member.changed') GROUP BY event ORDER BY event;
SELECT event, owner, before, after FROM tokenauth.events WHERE event = 'member.removed' AND before ->> 'member' = 'user:ann';
