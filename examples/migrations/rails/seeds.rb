# db/seeds.rb: what a database lacks that was made from db/schema.rb, which has no rows and no triggers. Run twice, it
# changes nothing more.
connection = ActiveRecord::Base.connection
connection.execute <<~SQL
  INSERT INTO tokenauth.kind (name, prefix, default_lifetime)
  VALUES ('api', 'acme_', '90 days') ON CONFLICT (name) DO NOTHING
SQL
bound = connection.select_value <<~SQL
  SELECT EXISTS (SELECT FROM pg_trigger
                  WHERE tgrelid = 'users'::regclass AND tgname = 'tokenauth_principals_insert')
SQL
connection.execute <<~SQL unless bound
  SELECT tokenauth.bind_principals('users', 'user', 'id::text', active => 'active')
SQL
