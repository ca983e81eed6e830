"""German pages contain no English, use German number formats, and no separators in ids."""

import re
from html.parser import HTMLParser

import pytest
from django.core.management.color import no_style
from django.db import connection
from django.urls import reverse

from audiencesync.groups.models import AppGroup, Invitation, Membership, Role, User
from audiencesync.people.models import Profile, Segment
from canvases.models import Canvas, Step
from partners.models import AdAccount, Audience, Connection, OAuthState, Sync, Tally
from tests.site import addresses

pytestmark = pytest.mark.thorough

LARGE = 1_234_567  # ids of this size get separators in a template without "unlocalize"
SEPARATED_ID = re.compile(r"1[.,\s\u00a0\u202f]234[.,\s\u00a0\u202f]5[67]\d")
NAMES = {"TikTok Ads Manager", "TikTok Business Center", "TikTok Audience Sync", "Audience Sync"}
NAMES |= {"Audience Sync:", "1 Audience Sync:", "Android GAID", "iOS IDFA", "Acme ads"}
CANVAS_PANELS = [
    "",
    "?entry=1",
    "?add=first",
    "?launch=1",
    "?stop=1",
    "?step={step_id}",
    "?step={step_id}&reasons=1",
]


@pytest.fixture
def large_ids(db):
    """Make every later id greater than LARGE."""
    group = AppGroup.objects.create(pk=LARGE, name="Far", slug="far")
    user = User.objects.create(pk=LARGE, email="far@example.org")
    Membership.objects.create(pk=LARGE, user=user, app_group=group, role=Role.ADMIN)
    Invitation.objects.create(
        pk=LARGE, app_group=group, email="f@example.org", token_hash="f", invited_by=user
    )
    segment = Segment.objects.create(pk=LARGE, app_group=group, name="Far")
    Profile.objects.create(pk=LARGE, app_group=group, external_id="far")
    tiktok = Connection.objects.create(pk=LARGE, partner="tiktok", app_group=group)
    ad_account = AdAccount.objects.create(pk=LARGE, connection=tiktok, remote_id="1", name="Far")
    audience = Audience.objects.create(pk=LARGE, ad_account=ad_account, remote_id="1", name="Far")
    sync = Sync.objects.create(
        pk=LARGE, app_group=group, audience=audience, action="add", kinds=["email"]
    )
    OAuthState.objects.create(
        pk=LARGE, partner="tiktok", state_hash="f", session_hash="f", user=user, app_group=group
    )
    canvas = Canvas.objects.create(pk=LARGE, app_group=group, name="Far", segment=segment)
    Step.objects.create(pk=LARGE, canvas=canvas, kind="audience_sync", sync=sync)
    models = [
        AppGroup,
        User,
        Membership,
        Invitation,
        Segment,
        Profile,
        Connection,
        AdAccount,
        Audience,
        Sync,
    ]
    with connection.cursor() as cursor:
        for line in connection.ops.sequence_reset_sql(
            no_style(), [*models, OAuthState, Canvas, Step]
        ):
            cursor.execute(line)


@pytest.fixture
def things_with_large_ids(large_ids, things):
    """Return ``things``, all with large ids and versions."""
    for model in (Canvas, Segment, Step):
        model.objects.update(version=LARGE + 4)
    return things


@pytest.fixture
def paths(things):
    """Return every page of a group that answers GET, with the panels of the canvas."""
    urls = [addresses.path(route, things) for route in addresses.of_groups()]
    canvas = reverse("canvas", args=["acme", things["canvas_id"]])
    return (
        urls
        + [canvas + panel.format(**things) for panel in CANVAS_PANELS]
        + ["/groups/", "/analytics/"]
    )


@pytest.fixture
def read(admin, alice):
    """Return read(path, language) -> the HTML of a page, empty if there is none."""
    User.objects.filter(pk=alice.pk).update(is_staff=True)

    def get(path, language):
        admin.cookies["django_language"] = language
        answer = admin.get(path)
        return answer.content.decode() if answer["Content-Type"].startswith("text/html") else ""

    return get


class Words(HTMLParser):
    """Collect the texts of a page and its attributes, without user input, which is in <bdi>."""

    def __init__(self):
        super().__init__()
        self.found, self.inside = set(), []

    def handle_starttag(self, tag, attributes):
        if tag in ("bdi", "script", "style", "option"):
            self.inside.append(tag)
        self.found |= {
            text
            for name, text in attributes
            if name in ("title", "aria-label", "placeholder", "data-busy")
        }

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, text):
        if not self.inside:
            self.found.add(" ".join(text.split()))


def sentences(page):
    """Return texts of at least two words."""
    words = Words()
    words.feed(page)
    return {
        text for text in words.found if text and re.search(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}", text)
    }


def test_no_sentence_is_equal_in_both_languages(paths, read):
    equal = {
        text for path in paths for text in sentences(read(path, "en")) & sentences(read(path, "de"))
    }
    assert equal - NAMES == set()


def test_english_pages_contain_no_german(paths, read):
    texts = {text for path in paths for text in sentences(read(path, "en"))}
    assert {text for text in texts if re.search("[äöüßÄÖÜ„]", text)} == set()


@pytest.mark.parametrize("language", ["en", "de"])
def test_an_id_contains_no_separator(language, things_with_large_ids, paths, read):
    pages = {path: read(path, language) for path in paths}
    assert sum(str(LARGE + 1) in page for page in pages.values()) > 5
    assert {
        path: SEPARATED_ID.findall(page)
        for path, page in pages.items()
        if SEPARATED_ID.search(page)
    } == {}


@pytest.mark.parametrize(("language", "size"), [("en", "12,345"), ("de", "12.345")])
def test_numbers_use_the_format_of_the_language(language, size, things, read):
    Audience.objects.update(size=12345)
    page = read(reverse("audiences", args=["acme", "tiktok", things["ad_account_id"]]), language)
    assert f">{size}<" in page


def test_the_metrics_have_the_names_of_the_glossary(things, read):
    page = read(
        reverse("canvas", args=["acme", things["canvas_id"]])
        + f"?step={things['step_id']}&tab=numbers",
        "de",
    )
    labels = re.findall(r'<th scope="row" class="fw-normal">([^<]*)<', page)
    assert [label.strip() for label in labels[:7]] == [
        "Aufgenommen",
        "Fortgefahren mit nächstem Schritt",
        "Nutzer:innen synchronisiert",
        "Nutzer:innen nicht synchronisiert",
        "Nutzer:innen ausstehend",
        "Fehler bei Nutzer:innen",
        "Canvas verlassen",
    ]


def test_numbers_in_the_csv_have_no_separators(things, admin, alice):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    step = Step.objects.get(pk=things["step_id"])
    step.syncs.add(step.sync)
    Tally.objects.create(sync=step.sync, entered=12345, synced=12345)
    for language in ("en", "de"):
        admin.cookies["django_language"] = language
        assert b',"12345",' in b"".join(admin.get("/analytics/?format=csv"))
