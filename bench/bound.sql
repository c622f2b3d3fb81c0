-- Two tables of users, alike except that one is bound. Run by scripts/bench last, since binding makes every user a
-- principal. As in real tables of users, there is a second index, and a column whose changes the binding ignores.

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
