-- :owners owners, and a procedure that issues tokens one by one, each in a transaction of its own. Run by
-- scripts/bench-bytes.
CREATE EXTENSION tokenauth;
CREATE SCHEMA bench;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('bench', 'bench_');
SELECT count(tokenauth.put_principal('user:' || 10000 + n, permissions => '{devices:read,reports:*,sites:read}'))
FROM generate_series(0, :owners - 1) n;
CREATE UNLOGGED TABLE bench.issued (n integer, token text NOT NULL);
CREATE PROCEDURE bench.issue(tokens integer, owners integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 0 .. tokens - 1 LOOP
        INSERT INTO bench.issued
        SELECT n, i.token
        FROM tokenauth.issue('bench', 'user:' || 10000 + n * 7919::bigint % owners, 'token ' || lpad(n::text, 6, '0'),
                             scopes => '{devices:read,sites:read}', expires_in => make_interval(days => 1 + n % 365)) i;
        COMMIT;
    END LOOP;
END
$$;
VACUUM (ANALYZE);
