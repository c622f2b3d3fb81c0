# db/migrate/20260101000000_create_token_kinds.rb: a kind of token, and the users who own them.
class CreateTokenKinds < ActiveRecord::Migration[6.1]
  def up
    execute "INSERT INTO tokenauth.kind (name, prefix, default_lifetime)
             VALUES ('api', 'acme_', '90 days')"
    execute "SELECT tokenauth.bind_principals('users', 'user', 'id::text', active => 'active')"
  end

  def down
    execute "SELECT tokenauth.unbind_principals('users')"
    execute "DELETE FROM tokenauth.kind WHERE name = 'api'"
  end
end
