-- A second row with the same id overrides the first: whoever may register with somebody's address takes over the principal.
-- Where no unique index covers what the id is made of, the binding warns and doctor() tells.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)
CREATE VIEW findings AS SELECT object, finding, hint FROM tokenauth.doctor() WHERE area = 'binding';

-- an id that no unique index covers: a warning and a finding
CREATE TABLE accounts (email text, tenant integer, number integer, handle varchar(20), serial text, kind text);
SELECT tokenauth.bind_principals('accounts', 'account', 'lower(email)');
SELECT * FROM findings;
-- … a unique index on less than what the id is made of, or a part of the rows, is none
CREATE UNIQUE INDEX ON accounts (email);
CREATE UNIQUE INDEX ON accounts (lower(email), tenant);
CREATE UNIQUE INDEX ON accounts (lower(email)) WHERE tenant = 1;
SELECT count(*) FROM findings;
-- … and one on just that is
CREATE UNIQUE INDEX ON accounts (lower(email));
SELECT * FROM findings;
SELECT tokenauth.unbind_principals('accounts');
CREATE FUNCTION pg_temp.is_unique(id text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_unique boolean;
BEGIN
    PERFORM tokenauth.bind_principals('accounts', 'account', id);
    SELECT count(*) = 0 INTO is_unique FROM findings;
    PERFORM tokenauth.unbind_principals('accounts');
    RETURN is_unique;
END $$;
CREATE UNIQUE INDEX ON accounts (tenant, number) INCLUDE (kind);
CREATE UNIQUE INDEX ON accounts (handle);
CREATE UNIQUE INDEX ON accounts ((serial || '/' || kind));
SET client_min_messages = error;
SELECT id, pg_temp.is_unique(id)
  FROM unnest(ARRAY[
    'email', 'email::varchar', 'lower(email)', 'accounts.email COLLATE "C"', 'handle', $$'h-' || handle$$, 'handle::varchar(5)',
    'upper(handle)', $$tenant || '-' || number$$, $$number || '-' || tenant || '-' || kind$$, 'tenant || number::text', 'tenant',
    $$tenant::text || '' || number$$, $$serial || '/' || kind$$, $$kind || '/' || serial$$, $$coalesce(email, 'none')$$,
    '(SELECT email)', '1']) AS id;
RESET client_min_messages;
-- … also for memberships, of which organisation and member count together
SELECT tokenauth.put_principal('org:1');
CREATE TABLE memberships (org_id integer, user_id integer);
SELECT tokenauth.bind_members('memberships', $$'org:' || org_id$$, $$'user:' || user_id$$);
SELECT * FROM findings;
ALTER TABLE memberships ADD PRIMARY KEY (user_id, org_id);
SELECT * FROM findings;
