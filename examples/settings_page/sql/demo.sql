-- People to sign in as, and some tokens of theirs, most of which were used; for psql, by a superuser.
INSERT INTO person (id, name, is_administrator, permissions) VALUES
    ('ada', 'Ada Lovelace', true, '{*}'),
    ('dana', 'Dana Scully', false, '{devices:read,devices:write,reports:read,group:api-tokens}'),
    ('eli', 'Eli Whitney', false, '{devices:read}');
INSERT INTO organisation (id, name, permissions) VALUES ('acme', 'Acme', '{devices:read,reports:read}');
INSERT INTO membership (organisation_id, person_id, permissions) VALUES
    ('acme', 'dana', '{devices:read,reports:read,tokens:manage}');
INSERT INTO integration (id, name) VALUES ('hr-sync', 'HR sync');

SELECT token FROM tokenauth.issue('personal', 'user:dana', 'Monitoring script', actor => 'user:dana') \gset
SELECT count(*) FROM generate_series(1, 60) AS use, LATERAL tokenauth.verify(:'token', client => '203.0.113.' || use) AS v;
SELECT token FROM tokenauth.issue('pat', 'user:dana', 'Collector in Lyon', scopes => '{devices:read,reports:read}',
    networks => '{203.0.113.0/24}', expires_in => '6 days', actor => 'user:dana') \gset
SELECT count(*) FROM generate_series(1, 25) AS use, LATERAL tokenauth.verify(:'token', client => '203.0.113.' || use) AS v;
SELECT token FROM tokenauth.issue('api-key', 'org:acme', 'Production API key', actor => 'user:dana') \gset
SELECT count(*) FROM generate_series(1, 90) AS use, LATERAL tokenauth.verify(:'token', client => '203.0.113.' || use) AS v;
SELECT token FROM tokenauth.issue('integration', 'integration:hr-sync', 'Nightly import', actor => 'user:ada') \gset
SELECT count(*) FROM generate_series(1, 10) AS use, LATERAL tokenauth.verify(:'token', client => '203.0.113.' || use) AS v;
SELECT id FROM tokenauth.issue('personal', 'user:eli', 'Laptop', actor => 'user:eli');
SELECT tokenauth.revoke(id, 'laptop lost', actor => 'user:dana')
  FROM tokenauth.issue('pat', 'user:dana', 'Old laptop', scopes => '{devices:read}', actor => 'user:dana');
\unset token
