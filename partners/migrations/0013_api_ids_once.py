"""Each of the audiences has an id for programs, and no two the same."""

from uuid import uuid4

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("partners", "0012_api_ids")]
    operations = [
        migrations.AlterField(
            "audience", "api_id", models.UUIDField(default=uuid4, unique=True, editable=False)
        ),
    ]
