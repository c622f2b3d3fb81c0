-- What a package must be able to do on the machine where it was installed: everything from CREATE EXTENSION to
-- DROP EXTENSION, the worker of the preloaded library included. scripts/test-packages compares the answers with
-- demonstration.out.
CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix, default_lifetime) VALUES ('api', 'acme_', '90 days');
SELECT tokenauth.put_principal('user:42', permissions => '{devices:*}') \g /dev/null
SELECT token, id FROM tokenauth.issue('api', 'user:42', 'Monitoring', scopes => '{devices:read}') \gset
SELECT 'issued: ' || verdict FROM tokenauth.verify(:'token', require => '{devices:read}');
SELECT 'for what it does not grant: ' || verdict FROM tokenauth.verify(:'token', require => '{devices:write}');

-- The worker writes what was counted in shared memory; verification itself does not.
SET client_min_messages = warning;
CREATE PROCEDURE pg_temp.wait_for_the_worker() LANGUAGE plpgsql AS $$
BEGIN
    FOR _ IN 1 .. 600 LOOP
        EXIT WHEN EXISTS (SELECT FROM tokenauth.usage WHERE request_count + denied_count = 2);
        COMMIT;
        PERFORM pg_sleep(0.1);
    END LOOP;
END
$$;
CALL pg_temp.wait_for_the_worker();
SELECT 'written by the worker: ' || request_count || ' request, ' || denied_count || ' denied' FROM tokenauth.usage;

SELECT 'revoked: ' || tokenauth.revoke(:'id', reason => 'laptop lost');
SELECT 'after revocation: ' || verdict FROM tokenauth.verify(:'token');
SELECT 'findings of the doctor: ' || coalesce(string_agg(finding, '; '), 'none') FROM tokenauth.doctor();

DROP EXTENSION tokenauth;
SELECT 'schemas left: ' || count(*) FROM pg_namespace WHERE nspname = 'tokenauth';
