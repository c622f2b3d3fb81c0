-- The triggers are the binding. This remembers only that there is one, so that doctor() misses them when the table was
-- dropped or replaced; it decides nothing.
CREATE TABLE tokenauth.binding (
    type   text COLLATE "C" NOT NULL,
    source text NOT NULL,
    what   text NOT NULL,
    CONSTRAINT binding_pkey PRIMARY KEY (type),
    CONSTRAINT binding_what_known CHECK (what IN ('principals', 'memberships')),
    CONSTRAINT binding_type_of_principals CHECK ((type = '') = (what = 'memberships')),
    CONSTRAINT binding_source_qualified CHECK (pg_catalog.cardinality(pg_catalog.parse_ident(source)) = 2)
);

COMMENT ON TABLE tokenauth.binding IS 'Which tables were bound and not unbound since, so that doctor() can miss their triggers';
COMMENT ON COLUMN tokenauth.binding.type IS 'The type of the principals; empty for memberships';
COMMENT ON COLUMN tokenauth.binding.source IS 'The bound table, with its schema, quoted';
COMMENT ON COLUMN tokenauth.binding.what IS 'What its rows are: principals or memberships';

SELECT pg_catalog.pg_extension_config_dump('tokenauth.binding', '');
