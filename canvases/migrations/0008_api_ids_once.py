"""Each canvas and each step has an id for programs, and no two ids are the same."""

from uuid import uuid4

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("canvases", "0007_api_ids")]
    operations = [
        migrations.AlterField(
            "canvas", "api_id", models.UUIDField(default=uuid4, unique=True, editable=False)
        ),
        migrations.AlterField(
            "step", "api_id", models.UUIDField(default=uuid4, unique=True, editable=False)
        ),
    ]
