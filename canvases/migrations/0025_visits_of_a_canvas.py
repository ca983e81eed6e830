"""Index the visits of a canvas for lists alone (canvases/people_lists/visits.py)."""

from django.db import migrations

from canvases.indexes import InOrderOfIds


class Migration(migrations.Migration):
    """Add the index."""

    dependencies = [("canvases", "0024_due_at_a_step")]

    operations = [
        migrations.AddIndex("visit", InOrderOfIds("canvas", name="visit_of_canvas")),
    ]
