"""tokens/migrations/0001_kinds.py: a kind of token, and the users who own them."""

from django.conf import settings
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.RunSQL("CREATE EXTENSION IF NOT EXISTS tokenauth", migrations.RunSQL.noop),
        migrations.RunSQL(
            "INSERT INTO tokenauth.kind (name, prefix, default_lifetime)"
            " VALUES ('api', 'acme_', '90 days')",
            "DELETE FROM tokenauth.kind WHERE name = 'api'",
        ),
        migrations.RunSQL(
            "SELECT tokenauth.bind_principals('auth_user', 'user', 'id::text',"
            " active => 'is_active')",
            "SELECT tokenauth.unbind_principals('auth_user')",
        ),
    ]
