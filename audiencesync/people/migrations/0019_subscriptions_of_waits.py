"""Listeners may subscribe to what people wait for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Widen the choices."""

    dependencies = [("people", "0018_leave_only_subscriptions")]

    operations = [
        migrations.AlterField(
            model_name="subscription",
            name="role",
            field=models.CharField(
                choices=[("entry", "Entry"), ("exit", "Exit"), ("wait", "Wait")], max_length=5
            ),
        )
    ]
