-- A kind is policy in a table: plain INSERT and UPDATE, each rule a named CHECK or a coded refusal of the trigger.
-- What tokens depend on (name, prefix, owner types) is fixed as long as the kind has tokens.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)

-- a name and a prefix make a kind; everything else has a default
INSERT INTO tokenauth.kind (name, prefix) VALUES ('plain', 'plain_');
\x on
SELECT name, prefix, description, owner_types, permission_mode, ceiling, default_lifetime, max_lifetime,
       lifetime_required, name_required, owner_inactive, expired_editable, reveal, self_service, issue_permission,
       manage_permission, max_active_per_owner, rate_limit, rate_interval, error_style, max_grace,
       max_age, max_idle, closed, derivable, max_derived_lifetime
  FROM tokenauth.kind;
\x off

-- a kind with everything set
INSERT INTO tokenauth.kind (name, prefix, description, owner_types, permission_mode, ceiling, default_lifetime,
    max_lifetime, lifetime_required, name_required, owner_inactive, expired_editable, self_service, issue_permission,
    manage_permission, max_active_per_owner, error_style)
VALUES ('full', 'full-2_', 'Everything set', '{user,org,service}', 'snapshot', '{*:read,reports:*}', '90 days',
    '1 year', true, true, 'suspend', true, false, 'tokens:issue', 'tokens:manage', 5, 'problem');

-- the prefix: at most 32 letters, digits, "_" and "-", perhaps none
INSERT INTO tokenauth.kind (name, prefix) VALUES ('no prefix', '');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('long prefix', repeat('a', 31) || '_');
\set VERBOSITY terse
INSERT INTO tokenauth.kind (name, prefix) VALUES ('k', repeat('a', 33));
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix) VALUES ('k', 'k:');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('k', 'k ');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('k', E'k_\n');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('k', 'ké_');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('k', NULL);
\echo :SQLSTATE

-- name and prefix are unique
INSERT INTO tokenauth.kind (name, prefix) VALUES ('plain', 'k_');
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix) VALUES ('k', 'plain_');
\echo :SQLSTATE

-- the name: 1 to 255 bytes
INSERT INTO tokenauth.kind (name, prefix) VALUES (repeat('n', 255), 'longest_');
INSERT INTO tokenauth.kind (name, prefix) VALUES (repeat('n', 256), 'k_');
INSERT INTO tokenauth.kind (name, prefix) VALUES ('', 'k_');
INSERT INTO tokenauth.kind (name, prefix) VALUES (NULL, 'k_');
-- "*" stands for any kind in revoke_all() and list(), so no kind can have that name
INSERT INTO tokenauth.kind (name, prefix) VALUES ('*', 'star_');

-- the description: at most 8 kB
INSERT INTO tokenauth.kind (name, prefix, description) VALUES ('k', 'k_', repeat('d', 8193));

-- the owner types: at least one, each a lower-case word
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('k', 'k_', '{}');
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('k', 'k_', NULL);
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('k', 'k_', '{user,NULL}');
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('k', 'k_', '{user,User}');
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('k', 'k_', '{user:42}');
INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('k', 'k_', '{{user},{org}}');
\echo :SQLSTATE

-- the permission mode; a system-wide kind must be gated
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('k', 'k_', 'everything');
INSERT INTO tokenauth.kind (name, prefix, permission_mode) VALUES ('k', 'k_', 'all');
INSERT INTO tokenauth.kind (name, prefix, permission_mode, issue_permission) VALUES ('gated', 'gated_', 'all', 'admin');
INSERT INTO tokenauth.kind (name, prefix, permission_mode, self_service) VALUES ('trusted', 'trusted_', 'all', false);
UPDATE tokenauth.kind SET issue_permission = NULL WHERE name = 'gated';
UPDATE tokenauth.kind SET self_service = true WHERE name = 'trusted';

-- ceiling and permissions are scopes
INSERT INTO tokenauth.kind (name, prefix, ceiling) VALUES ('empty ceiling', 'none_', '{}');
INSERT INTO tokenauth.kind (name, prefix, ceiling) VALUES ('k', 'k_', '{a:read,NULL}');
\echo :SQLSTATE
\set VERBOSITY default
INSERT INTO tokenauth.kind (name, prefix, ceiling) VALUES ('k', 'k_', '{a:read,a:b:c:d:e}');
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix, ceiling) VALUES ('k', 'k_', '{{a},{b}}');
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix, issue_permission) VALUES ('k', 'k_', 'may issue');
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix, manage_permission) VALUES ('k', 'k_', '');
\echo :SQLSTATE
\set VERBOSITY terse

-- lifetimes are positive, the default within the maximum
INSERT INTO tokenauth.kind (name, prefix, default_lifetime) VALUES ('k', 'k_', '0');
INSERT INTO tokenauth.kind (name, prefix, default_lifetime) VALUES ('k', 'k_', '-1 day');
INSERT INTO tokenauth.kind (name, prefix, max_lifetime) VALUES ('k', 'k_', '0');
INSERT INTO tokenauth.kind (name, prefix, default_lifetime, max_lifetime) VALUES ('k', 'k_', '2 years', '1 year');

-- the grace of a rotation may be none, and is never without a bound
INSERT INTO tokenauth.kind (name, prefix, max_grace) VALUES ('abrupt', 'abrupt_', '0');
INSERT INTO tokenauth.kind (name, prefix, max_grace) VALUES ('k', 'k_', '-1 second');
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix, max_grace) VALUES ('k', 'k_', '1 month -1 day');
\echo :SQLSTATE
INSERT INTO tokenauth.kind (name, prefix, max_grace) VALUES ('k', 'k_', NULL);
\echo :SQLSTATE

-- one of each list
INSERT INTO tokenauth.kind (name, prefix, owner_inactive) VALUES ('k', 'k_', 'delete');
INSERT INTO tokenauth.kind (name, prefix, error_style) VALUES ('k', 'k_', 'html');
INSERT INTO tokenauth.kind (name, prefix, max_active_per_owner) VALUES ('k', 'k_', 0);

-- how long a derived token may work is bounded
INSERT INTO tokenauth.kind (name, prefix, max_derived_lifetime) VALUES ('k', 'k_', NULL);
INSERT INTO tokenauth.kind (name, prefix, max_derived_lifetime) VALUES ('k', 'k_', '0');

-- a rate has both of its parts
INSERT INTO tokenauth.kind (name, prefix, rate_interval) VALUES ('k', 'k_', '1 minute');
INSERT INTO tokenauth.kind (name, prefix, rate_limit) VALUES ('k', 'k_', 100);
INSERT INTO tokenauth.kind (name, prefix, rate_limit, rate_interval) VALUES ('k', 'k_', 0, '1 minute');
INSERT INTO tokenauth.kind (name, prefix, rate_limit, rate_interval) VALUES ('k', 'k_', 100, '-1 minute');
-- … and has no effect where the library is not preloaded, as here: whoever writes it is told, and doctor() tells it
BEGIN;
INSERT INTO tokenauth.kind (name, prefix, rate_limit, rate_interval) VALUES ('rated', 'rated_', 1, '1 minute');
UPDATE tokenauth.kind SET rate_interval = '1 hour' WHERE name = 'rated';
UPDATE tokenauth.kind SET rate_limit = 2 WHERE name = 'rated';
SELECT object, finding, hint FROM tokenauth.doctor();
ROLLBACK;

-- no kind was made by any refused statement
SELECT count(*) FROM tokenauth.kind WHERE name IN ('k', '');

-- as long as a kind has no tokens, everything of it can change
UPDATE tokenauth.kind SET name = 'simple', prefix = 'simple_', owner_types = '{user,org}' WHERE name = 'plain';
SELECT name, prefix, owner_types FROM tokenauth.kind WHERE name = 'simple';
SELECT event, kind, before ->> 'name' AS before, after ->> 'name' AS after
  FROM tokenauth.events WHERE event = 'kind.changed';

-- once it has one, name, prefix and owner types are fixed, and it cannot be deleted
SELECT tokenauth.put_principal('user:alice', '{devices:read}');
SELECT id FROM tokenauth.issue('simple', 'user:alice') \gset
\set VERBOSITY default
UPDATE tokenauth.kind SET name = 'plain' WHERE name = 'simple';
\echo :SQLSTATE
UPDATE tokenauth.kind SET prefix = 'plain_' WHERE name = 'simple';
\echo :SQLSTATE
UPDATE tokenauth.kind SET owner_types = '{user}' WHERE name = 'simple';
\echo :SQLSTATE
UPDATE tokenauth.kind SET owner_types = NULL WHERE name = 'simple';
\echo :SQLSTATE
\set VERBOSITY terse
DELETE FROM tokenauth.kind WHERE name = 'simple';
\echo :SQLSTATE
-- the token's own death changes nothing about that: its text must never mean another token
SELECT tokenauth.delete(:'id');
UPDATE tokenauth.kind SET prefix = 'plain_' WHERE name = 'simple';
\echo :SQLSTATE
-- the same values written once more are no change
UPDATE tokenauth.kind SET name = name, prefix = prefix, owner_types = owner_types, description = 'Simple' WHERE name = 'simple';
SELECT description FROM tokenauth.kind WHERE name = 'simple';
-- a kind without tokens can be deleted
DELETE FROM tokenauth.kind WHERE name = 'full';
SELECT event, kind FROM tokenauth.events WHERE event = 'kind.deleted';

-- … and neither does TRUNCATE take away a kind that has tokens, nor one without an event
BEGIN;
TRUNCATE tokenauth.kind;
\echo :SQLSTATE
ROLLBACK;
BEGIN;
TRUNCATE tokenauth.kind, tokenauth.token;
SELECT event, kind, before - 'owner_types' AS before, after FROM tokenauth.events WHERE event = 'kind.deleted' AND kind = 'simple';
SELECT (SELECT count(*) FROM tokenauth.events WHERE event = 'kind.deleted') = (SELECT count(*) FROM tokenauth.events WHERE event = 'kind.created') AS each;
ROLLBACK;

-- an upsert is what migrations write
INSERT INTO tokenauth.kind (name, prefix) VALUES ('simple', 'simple_')
    ON CONFLICT (name) DO UPDATE SET description = 'Simple, again';
SELECT description FROM tokenauth.kind WHERE name = 'simple';

-- overlapping prefixes, none at all, and prefixes with "-" and inner "_": each token is of its own kind
INSERT INTO tokenauth.kind (name, prefix) VALUES
    ('sk', 'sk_'), ('sk live', 'sk_live_'), ('hyphen', 'a-b_c-'), ('digits', '0123456789');
SELECT k.name, v.verdict, v.kind = k.name AS own_kind, left(i.token, length(k.prefix)) = k.prefix AS own_prefix,
       length(i.token) - length(k.prefix) AS rest
  FROM tokenauth.kind k,
       LATERAL tokenauth.issue(k.name, 'user:alice') i,
       LATERAL tokenauth.verify(i.token) v
 WHERE k.name IN ('sk', 'sk live', 'hyphen', 'digits', 'no prefix', 'long prefix')
 ORDER BY k.name;

-- a policy that changes is at once that of the tokens there are: here the ceiling
SELECT token FROM tokenauth.issue('sk', 'user:alice') \gset
SELECT verdict, scopes FROM tokenauth.verify(:'token');
UPDATE tokenauth.kind SET ceiling = '{*:write}' WHERE name = 'sk';
SELECT verdict, scopes FROM tokenauth.verify(:'token');
UPDATE tokenauth.kind SET ceiling = NULL WHERE name = 'sk';
SELECT verdict, scopes FROM tokenauth.verify(:'token');

-- the trigger functions serve this table alone
CREATE TABLE elsewhere (LIKE tokenauth.kind INCLUDING DEFAULTS);
CREATE TRIGGER guard BEFORE INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION tokenauth.guard_kind();
INSERT INTO elsewhere (name, prefix) VALUES ('k', 'k_');
\echo :SQLSTATE
DROP TRIGGER guard ON elsewhere;
CREATE TRIGGER record AFTER INSERT ON elsewhere FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.record_kind();
INSERT INTO elsewhere (name, prefix) VALUES ('k', 'k_');
\echo :SQLSTATE
DROP TRIGGER record ON elsewhere;
CREATE TRIGGER guard BEFORE TRUNCATE ON elsewhere FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.guard_kind();
TRUNCATE elsewhere;
\echo :SQLSTATE
-- … and are nothing to be called by hand
SELECT tokenauth.guard_kind();
\echo :SQLSTATE
