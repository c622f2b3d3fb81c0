-- Tables of the extension work on with columns that an administrator has added, and with as many that were added and dropped as
-- PostgreSQL itself takes: dropped ones count for ever.
CREATE EXTENSION tokenauth;
\set SHOW_CONTEXT never
\pset null (null)

-- What there is to do with a token, in an own name for each round.
CREATE FUNCTION life(round text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    made tokenauth.issued;
    one text := 'user:' || round;
    org text := 'org:' || round;
    child text;
    before jsonb;
BEGIN
    EXECUTE format('INSERT INTO tokenauth.kind (name, prefix, owner_types, owner_inactive, derivable, manage_permission, max_lifetime) VALUES (%1$L, %1$L, ''{user,org,bound}'', ''suspend'', true, ''all'', ''1 year'')', round);
    UPDATE tokenauth.kind SET description = 'of a round' WHERE name = round;
    PERFORM tokenauth.put_principal(one, '{devices:read,all}'), tokenauth.put_principal(org, '{devices:*}'), tokenauth.add_member(org, one, '{all}');
    made := tokenauth.issue(round, one, 'first', scopes => '{devices:read}', metadata => '{"a": 1}', networks => '{10.0.0.0/8}');
    RETURN NEXT (tokenauth.verify(made.token, client => '10.1.1.1')).verdict;
    RETURN NEXT (tokenauth.verify(made.token, client => '11.1.1.1')).verdict;
    RETURN NEXT (tokenauth.edit(made.id, name => 'edited', networks => '{}')).name;
    RETURN NEXT (tokenauth.verify_digest(left(made.token, length(round) + 11), sha256(made.token::bytea))).name;
    RETURN NEXT tokenauth.disable(made.id) || (tokenauth.verify(made.token)).verdict || tokenauth.enable(made.id) || (tokenauth.verify(made.token)).verdict;
    made := tokenauth.rotate(made.id);
    RETURN NEXT (tokenauth.verify(made.token)).verdict;
    child := tokenauth.derive(made.token);
    RETURN NEXT (tokenauth.verify(child)).verdict;
    PERFORM tokenauth.revoke_presented(child);
    RETURN NEXT (tokenauth.verify(child)).verdict;
    PERFORM tokenauth.import(round, one, encode(sha256(('old ' || round)::bytea), 'hex'), 'sha256', 'imported');
    RETURN NEXT (tokenauth.verify('old ' || round)).name;
    PERFORM tokenauth.issue(round, CASE n % 2 WHEN 0 THEN org ELSE one END) FROM generate_series(1, 50) n;
    RETURN NEXT (SELECT count(*) FROM tokenauth.list(owner => one)) || ' ' || (SELECT count(*) FROM tokenauth.list(one)) || ' '
             || (SELECT count(*) FROM tokenauth.list(kind => round, status => 'revoked'));
    RETURN NEXT (SELECT string_agg(format('%s %s %s', status, request_count, denied_count), ', ' ORDER BY id) FROM tokenauth.tokens WHERE kind = round AND name IS NOT NULL);
    PERFORM tokenauth.deactivate(one, 'away');
    RETURN NEXT (tokenauth.verify(made.token)).verdict || (SELECT count(*) FROM tokenauth.list(kind => round, status => 'suspended'));
    PERFORM tokenauth.activate(one);
    RETURN NEXT tokenauth.revoke_all(owner => one, kind => round);
    RETURN NEXT tokenauth.revoke_all(owner => org);
    RETURN NEXT (SELECT string_agg(status || ' ' || n, ', ' ORDER BY status) FROM (SELECT status, count(*) AS n FROM tokenauth.tokens WHERE kind = round GROUP BY status) s);
    before := tokenauth.export_revocations('-infinity');
    PERFORM tokenauth.import_revocations(before);
    EXECUTE format('INSERT INTO users (id, active) VALUES (%L, true)', round);
    made := tokenauth.issue(round, 'bound:' || round);
    UPDATE users SET active = false WHERE id = round;
    RETURN NEXT (tokenauth.verify(made.token)).verdict;
    DELETE FROM users WHERE id = round;
    RETURN NEXT (tokenauth.verify(made.token)).verdict;
    RETURN NEXT (SELECT string_agg(finding, ', ') FROM tokenauth.doctor() WHERE area <> 'usage');
    RETURN NEXT (SELECT count(*) > 0 FROM tokenauth.events WHERE kind = round);
    PERFORM tokenauth.erase(one);
    RETURN NEXT (SELECT count(*) FROM tokenauth.tokens WHERE owner = one);
    RETURN NEXT tokenauth.purge('0') > 0;
    RETURN NEXT (SELECT count(*) FROM tokenauth.token);
END $$;
CREATE TABLE users (id text PRIMARY KEY, active boolean NOT NULL);
SELECT tokenauth.bind_principals('users', 'bound', 'id', active => 'active');
CREATE TABLE lived (round text, n bigint GENERATED ALWAYS AS IDENTITY, answer text);

-- as installed
INSERT INTO lived (round, answer) SELECT 'installed', life('installed');
SELECT answer FROM lived ORDER BY n;

-- sixty columns that were added to each table, and dropped
CREATE FUNCTION alter_all(what text, columns int, which text DEFAULT '%') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    altered bigint := 0;
    relation regclass;
BEGIN
    FOR relation IN SELECT oid FROM pg_class WHERE relnamespace = 'tokenauth'::regnamespace AND relkind = 'r' AND relname LIKE which UNION ALL SELECT 'users'::regclass LOOP
        EXECUTE format('ALTER TABLE %s ', relation) || (SELECT string_agg(format(what, n), ', ') FROM generate_series(1, columns) n);
        altered := altered + 1;
    END LOOP;
    RETURN altered;
END $$;
SELECT alter_all('ADD COLUMN more_%s bigint', 60) = alter_all('DROP COLUMN more_%s', 60) AS altered;
SELECT count(*) FROM pg_attribute WHERE attrelid = 'tokenauth.token'::regclass AND attisdropped;
INSERT INTO lived (round, answer) SELECT 'dropped', life('dropped');

-- ten that stay, and have values
SELECT alter_all('ADD COLUMN stays_%1$s text NOT NULL DEFAULT ''column '' || %1$s', 10) > 20 AS altered;
INSERT INTO lived (round, answer) SELECT 'added', life('added');
SELECT tokenauth.put_principal('user:1');
SELECT id FROM tokenauth.issue('added', 'user:1') \gset
SELECT (tokenauth.edit(:'id', name => 'edited')).name;
SELECT stays_1, stays_10 FROM tokenauth.token WHERE id = :'id';
SELECT tokenauth.delete(:'id');

-- … among many more that do not
SELECT alter_all('ADD COLUMN gone_%s bigint', 500, 'token') = alter_all('DROP COLUMN gone_%s', 500, 'token') AS altered;
INSERT INTO lived (round, answer) SELECT 'many', life('many');

-- all of it answered the same
SELECT round, count(*) AS answers, count(*) FILTER (WHERE answer IS NOT DISTINCT FROM installed) AS same
  FROM (SELECT *, first_value(answer) OVER (PARTITION BY row_number ORDER BY n) AS installed
          FROM (SELECT *, row_number() OVER (PARTITION BY round ORDER BY n) FROM lived) l) l
 GROUP BY round ORDER BY min(n);

DROP TABLE users, lived;
DROP EXTENSION tokenauth;
DROP FUNCTION life, alter_all;
