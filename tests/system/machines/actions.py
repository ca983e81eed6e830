"""Actions of a marketer, each in its own process: ``python -m tests.system.machines.actions``."""

import json
import sys
import time

import django

if __name__ == "__main__":
    django.setup()

from django.utils import timezone

from audiencesync.groups.models import AppGroup, User
from audiencesync.people.models import Profile, Segment
from canvases import engine
from canvases.models import Canvas, Step
from lab.bench import world
from lab.story import census
from partners import registry
from partners.models import AdAccount, Audience
from tests.support import builder

N_ACCOUNTS = 3
SEGMENT = "All people"


def group():
    return AppGroup.objects.get(slug="acme")


def connect():
    """Connect the group with three ad accounts, each with its own lane."""
    token = world.token()
    row = builder.connect(group(), token=token)
    Segment.objects.create(app_group=group(), name=SEGMENT)
    for remote in registry.get("tiktok").ad_accounts(token)[:N_ACCOUNTS]:
        builder.add_account(row, remote.id, remote.name)


def launch(cap):
    """Launch a canvas per ad account; return the number of entries and the audiences' ids."""
    AdAccount.objects.update(learned_cap=cap)
    canvases = [_canvas(account) for account in AdAccount.objects.order_by("pk")]
    for canvas, _remote_id in canvases:
        engine.launch(canvas, by=User.objects.get(email="demo@example.org"), now=timezone.now())
    n = Profile.objects.filter(app_group=group()).count()
    return {"n": n * len(canvases), "audiences": [remote_id for _canvas, remote_id in canvases]}


def count_people(url):
    """Return how many people can be added and what is sent of them, counted one by one."""
    counted = census.count(url, "Acme")
    return {"n": counted.can_add, "sent": sorted(counted.identifiers)}


def _canvas(account):
    name = f"{account.name} {time.time_ns()}"
    remote_id = registry.get("tiktok").create_audience(
        account.connection.token, account.remote_id, name=name
    )
    audience = Audience.objects.create(ad_account=account, name=name, remote_id=remote_id)
    segment = Segment.objects.get(name=SEGMENT)
    canvas = Canvas.objects.create(app_group=group(), name=name, segment=segment)
    kinds = ["email", "phone", "idfa", "gaid"]
    sync = builder.make_sync(audience, kinds=kinds, label=name, is_live=False)
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync)
    step.syncs.add(sync)
    return canvas, remote_id


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    action = {"connect": connect, "launch": launch, "census": count_people}[arguments.pop("act")]
    sys.stdout.write(json.dumps(action(**arguments)))
