-- The managed database: tables of the application, and nothing of tokenauth. Run here once, by whoever may publish.

CREATE TABLE customer (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email     text NOT NULL UNIQUE,
    is_active boolean NOT NULL DEFAULT true,
    rights    text[] NOT NULL DEFAULT '{}'
);

-- Only what says who may do what: no other column leaves this database.
CREATE PUBLICATION customers FOR TABLE customer (id, is_active, rights);
