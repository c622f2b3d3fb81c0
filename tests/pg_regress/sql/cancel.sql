-- A function that is cancelled leaves its caller as it was: the same user, with the same search path, in a transaction
-- that goes on. doctor() tries each binding apart and runs as the extension's owner, so there is something to leave.
CREATE EXTENSION tokenauth;
CREATE TABLE users (id int PRIMARY KEY);
INSERT INTO users VALUES (1);
CREATE FUNCTION public.is_active(int) RETURNS boolean LANGUAGE sql AS 'SELECT current_setting(''test.slow'', true) IS NULL OR pg_sleep(10) IS NOT NULL';
SELECT tokenauth.bind_principals('users', 'user', 'id::text', active => 'public.is_active(id)');

DROP ROLE IF EXISTS regress_tokenauth_observer;
CREATE ROLE regress_tokenauth_observer;
SELECT tokenauth.grant_access('regress_tokenauth_observer', 'observe');

-- an observer whose doctor() takes too long
SET test.slow = 'yes';
SET ROLE regress_tokenauth_observer;
SET search_path = public;
SET statement_timeout = '300ms';
DO $$
BEGIN
    PERFORM tokenauth.doctor();
    RAISE NOTICE 'doctor() was not cancelled';
EXCEPTION WHEN query_canceled THEN
    RAISE NOTICE 'cancelled, and still % with search_path %', current_user, current_setting('search_path');
END $$;
RESET statement_timeout;
SELECT current_user, current_setting('search_path');

-- … still may not do what only the owner may
SELECT count(*) FROM tokenauth.token;

-- … and has a session that goes on
BEGIN;
SELECT 1 AS works;
COMMIT;
RESET ROLE;
RESET search_path;
SELECT tokenauth.revoke_access('regress_tokenauth_observer', 'observe');
SELECT tokenauth.revoke_access('regress_tokenauth_observer', 'verify');
REVOKE USAGE ON SCHEMA tokenauth FROM regress_tokenauth_observer;
DROP OWNED BY regress_tokenauth_observer;
DROP ROLE regress_tokenauth_observer;
