-- The first tokens of an owner stand in no order of their own, and those after them in that of an index. Nothing tells them apart but
-- what they take.
CREATE EXTENSION tokenauth;
INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_'), ('key', 'key_');
SELECT count(tokenauth.put_principal('user:' || n, '{devices:read}')) FROM generate_series(1, 3) n;
CREATE TABLE held AS
SELECT n, i.id, i.owner, i.kind FROM generate_series(1, 90) n,
       LATERAL tokenauth.issue(CASE WHEN n % 5 = 0 THEN 'key' ELSE 'api' END, 'user:' || CASE WHEN n % 30 = 0 THEN 3 ELSE n % 2 + 1 END, 'token ' || n) i;
SELECT owner, crowded, count(*) FROM tokenauth.token GROUP BY owner, crowded ORDER BY owner, crowded;

-- every page of every size is what sorting all of them would give
CREATE FUNCTION pages(owner text, kind text, size int) RETURNS SETOF int LANGUAGE plpgsql AS $$
DECLARE
    last uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    place int;
BEGIN
    LOOP
        place := NULL;
        FOR last, place IN SELECT l.id, h.n FROM tokenauth.list(owner => pages.owner, kind => pages.kind, page_size => size, after => last) WITH ORDINALITY l
                             JOIN held h ON h.id = l.id ORDER BY l.ordinality LOOP
            RETURN NEXT place;
        END LOOP;
        EXIT WHEN place IS NULL;
    END LOOP;
END
$$;
SELECT o.owner, k.kind, count(*) AS sizes,
       bool_and(ARRAY(SELECT pages(o.owner, k.kind, size))
                = ARRAY(SELECT n FROM held h WHERE h.owner = o.owner AND k.kind IN (h.kind, '*') ORDER BY n DESC)) AS same
  FROM unnest('{user:1,user:2,user:3,user:4}'::text[]) o (owner), unnest('{*,api,key}'::text[]) k (kind), unnest('{1,2,7,20,21,100}'::int[]) size
 GROUP BY o.owner, k.kind ORDER BY 1, 2;
-- … for an actor that sees those of several owners, deleted ones missing
UPDATE tokenauth.kind SET manage_permission = 'keys:manage';
SELECT tokenauth.put_principal('user:manager');
SELECT count(tokenauth.put_principal('org:' || n, '{devices:read}')), count(tokenauth.add_member('org:' || n, 'user:manager', '{keys:manage}')) FROM generate_series(1, 2) n;
INSERT INTO tokenauth.kind (name, prefix, owner_types, manage_permission) VALUES ('org', 'org_', '{org}', 'keys:manage');
INSERT INTO held SELECT n, i.id, i.owner, i.kind FROM generate_series(101, 170) n, LATERAL tokenauth.issue('org', 'org:' || n % 2 + 1) i;
SELECT count(tokenauth.delete(id)) FROM held WHERE n IN (103, 104, 169);
SELECT ARRAY(SELECT h.n FROM tokenauth.list('user:manager', page_size => 1000) WITH ORDINALITY l JOIN held h ON h.id = l.id ORDER BY l.ordinality)
       = ARRAY(SELECT n FROM held WHERE owner LIKE 'org:%' AND n NOT IN (103, 104, 169) ORDER BY n DESC) AS same;

-- they die, and are counted, alike
SELECT tokenauth.revoke(id) FROM held WHERE n IN (1, 89);
SELECT tokenauth.revoke_all('user:2');
SELECT tokenauth.revoke_all('user:2');
SELECT count(*) FROM tokenauth.issue('api', 'user:2');
SELECT tokenauth.revoke_all('user:2');
SELECT status, count(*) FROM tokenauth.tokens WHERE owner = 'user:2' GROUP BY status;
