"""A group with people, a segment, a connected ad account, audiences, and an editor client."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from audiencesync.people.models import Profile, Segment
from canvases.models import Canvas, Step
from partners.models import Audience
from tests.support import builder
from tests.support.profiles import set_hashes
from tiktok_sandbox.seed import MARA

HTMX = {"HX-Request": "true"}


@pytest.fixture
def one_morning(time_machine):
    """Start the test at a fixed time, so that only the seed of a random test decides what happens.

    The time is later than the clock of the database, so that rows with its timestamps are due.
    """
    time_machine.move_to(datetime(2041, 11, 25, 8, 17, tzinfo=UTC))


@pytest.fixture
def segment(acme):
    return Segment.objects.create(app_group=acme, name="Everybody")


@pytest.fixture
def people(acme):
    """Twelve people: ten with an e-mail address, two of these with a phone, two without either."""
    profiles = [
        Profile(
            app_group=acme,
            external_id=f"p{n}",
            email=f"p{n}@example.org" if n < 10 else "",
            phone="+4915112345678" if n < 2 else "",
        )
        for n in range(12)
    ]
    for profile in profiles:
        set_hashes(profile, region="DE")
    return Profile.objects.bulk_create(profiles)


@pytest.fixture
def connection(acme):
    return builder.connect(acme)


@pytest.fixture
def eu(connection):
    """Return an ad account of acme."""
    return builder.add_account(connection)


@pytest.fixture
def winback(eu):
    """Return an audience of the ad account."""
    return Audience.objects.create(
        ad_account=eu, remote_id="1001", name="winback", kind="Partner", size=5000
    )


@pytest.fixture
def sandbox(eu, settings):
    """A running sandbox in the place of TikTok, with a token for the ad account."""
    server = builder.run_sandbox()
    settings.TIKTOK_API_URL = server.url
    eu.connection.set_token(server.sandbox.accounts.issue_token(MARA))
    eu.connection.save()
    yield server.sandbox
    server.close()


class Editor:
    """Sends the requests of one user to the editor of one canvas."""

    def __init__(self, client, canvas):
        self.client, self.canvas = client, canvas

    def url(self, name, *args):
        return reverse(name, args=[self.canvas.app_group.slug, self.canvas.pk, *args])

    def get(self, name="canvas", *args, htmx=False, **query):
        return self.client.get(self.url(name, *args), query, headers=HTMX if htmx else {})

    def post_search(self, name, *args, **data):
        return self.client.post(self.url(name, *args), data, follow=True)

    def post(self, url_name, /, *args, htmx=False, **data):
        return self.client.post(self.url(url_name, *args), data, headers=HTMX if htmx else {})

    def add_step(self, kind, after="first", branch=None):
        """Add a step by form; return it."""
        ids_before = set(Step.objects.values_list("pk", flat=True))
        place = getattr(after, "pk", after)
        place = place if branch is None else f"{place}-{branch}"
        answer = self.post("step_add", kind=kind, after=place)
        assert answer.status_code == 302, answer.content.decode()
        return Step.objects.exclude(pk__in=ids_before).get()

    def save_sync(self, step, audience, /, *, htmx=False, **more):
        """Save an Audience Sync step by form."""
        step.refresh_from_db()
        data = {
            "ad_account": audience.ad_account_id,
            "audience": audience.pk,
            "action": "add",
            "kinds": ["email"],
        }
        return self.post("step", step.pk, htmx=htmx, **({"version": step.version} | data | more))


@pytest.fixture
def canvas(acme, segment, bob):
    return Canvas.objects.create(
        app_group=acme, name="Cart", segment=segment, created_by=bob, edited_by=bob
    )


@pytest.fixture
def editor_of(signed_in, canvas):
    """editor_of(user, canvas) -> the Editor of that user."""
    return lambda user, row=canvas: Editor(signed_in(user), row)


@pytest.fixture
def bob_editor(editor_of, bob):
    """Return the editor client of bob, the marketer."""
    return editor_of(bob)
