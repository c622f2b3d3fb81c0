-- Two tables of users, alike but for the binding of one. Run by scripts/bench last: binding makes all of them principals.
-- As real tables of users have, there is a column that people look up by, and room for other changes on each page.

CREATE TABLE bench.users_plain (
    id         integer PRIMARY KEY,
    email      text NOT NULL UNIQUE,
    name       text NOT NULL,
    is_active  boolean NOT NULL DEFAULT true,
    last_login timestamptz
);
CREATE TABLE bench.users_bound (LIKE bench.users_plain INCLUDING ALL);
INSERT INTO bench.users_plain SELECT n, 'user' || n || '@example.org', 'User ' || n FROM generate_series(1, :tokens) n;
INSERT INTO bench.users_bound SELECT * FROM bench.users_plain;
SELECT tokenauth.bind_principals('bench.users_bound', 'customer', 'id::text', active => 'is_active', display_name => 'name');
VACUUM (ANALYZE) bench.users_plain, bench.users_bound, tokenauth.principal;
CHECKPOINT;
