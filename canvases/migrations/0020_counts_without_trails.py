"""Visits from before this migration have no trail: their counts become the base."""

from django.db import migrations
from django.db.models import F

WAYS = ("proceeded", "exited", "withdrawn")


def fill(apps, schema_editor):
    StepTally, BranchTally = (
        apps.get_model("canvases", name) for name in ("StepTally", "BranchTally")
    )
    for tally in StepTally.objects.filter(entered__gt=F("waiting")).iterator():
        base = {name: n for name in WAYS if (n := getattr(tally, name))}
        StepTally.objects.filter(pk=tally.pk).update(base=base)
    BranchTally.objects.update(base=F("n"))


def empty(apps, schema_editor):
    apps.get_model("canvases", "StepTally").objects.update(base={})
    apps.get_model("canvases", "BranchTally").objects.update(base=0)


class Migration(migrations.Migration):
    dependencies = [("canvases", "0019_trails")]

    operations = [migrations.RunPython(fill, empty)]
