"""Count by the hour the entries from before hours were counted."""

from django.db import migrations
from django.db.models import Count, Max, Min
from django.db.models.functions import TruncHour


def fill(apps, schema_editor):
    Canvas, CanvasHour, Visit = (
        apps.get_model("canvases", name) for name in ("Canvas", "CanvasHour", "Visit")
    )
    for canvas in Canvas.objects.filter(entered__gt=0):
        visits = Visit.objects.filter(canvas=canvas).order_by()
        by_hour = (
            visits.annotate(hour=TruncHour("entered_at"))
            .values_list("hour")
            .annotate(n=Count("pk"))
        )
        CanvasHour.objects.bulk_create(
            CanvasHour(canvas=canvas, hour=hour, entered=n) for hour, n in by_hour
        )
        ends = visits.aggregate(first=Min("entered_at"), last=Max("entered_at"))
        Canvas.objects.filter(pk=canvas.pk).update(
            first_entry_at=ends["first"], last_entry_at=ends["last"]
        )


def empty(apps, schema_editor):
    apps.get_model("canvases", "CanvasHour").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("canvases", "0005_entries_by_hour")]

    operations = [migrations.RunPython(fill, empty)]
