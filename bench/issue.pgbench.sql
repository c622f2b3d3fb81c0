\set owner random(1, 10)
SELECT tokenauth.issue('bench', 'user:' || :owner, scopes => :scopes);
