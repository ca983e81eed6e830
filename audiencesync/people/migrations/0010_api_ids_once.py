"""Each of the segments has an id for programs, and no two the same."""

from uuid import uuid4

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0009_api_ids")]
    operations = [
        migrations.AlterField(
            "segment", "api_id", models.UUIDField(default=uuid4, unique=True, editable=False)
        ),
    ]
