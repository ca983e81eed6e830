"""Heavy segments of one group do not slow others; conditions show no personal data to viewers."""

from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import edit
from tests.support import endless

pytestmark = pytest.mark.thorough

LIST = "/g/acme/people/segments/"


def heavy(group, number):
    listed = [str(number * 10_000 + n) for n in range(1000)]
    parts = [{"field": "custom.x", "op": "in", "value": listed} for _ in range(8)]
    return Segment.objects.create(app_group=group, name=f"Heavy {number}", filter={"any": parts})


@pytest.mark.django_db(transaction=True)
def test_a_statement_is_stopped_at_its_time_limit_and_the_connection_works_on():
    with pytest.raises(TooSlow), at_most(0.2):
        endless.run()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_another_database_error_is_raised_unchanged():
    def refuse(*_args):
        raise OperationalError("the server has gone away")

    with (
        pytest.raises(OperationalError, match="gone away"),
        at_most(60),
        connection.execute_wrapper(refuse),
    ):
        connection.cursor().execute("SELECT 1")


@pytest.fixture
def time_for_one(monkeypatch):
    """Give the first count all the time that a busy machine needs, and the others none."""
    times = iter([0.0, 0.0, 99.0, 99.0])
    monkeypatch.setattr(edit, "COUNT_SECONDS", 60.0)
    clock = SimpleNamespace(monotonic=lambda: next(times, 99.0))
    with monkeypatch.context() as patch:
        patch.setattr(edit, "time", clock)
        yield patch


def test_the_list_answers_regardless_of_the_number_of_compared_values(
    acme, vera, signed_in, time_for_one
):
    Profile.objects.create(app_group=acme, external_id="one", attributes={"x": 5})
    for number in range(26):
        heavy(acme, number)
    page = signed_in(vera).get(LIST)
    assert page.status_code == 200
    assert [row["n"] for row in page.context["rows"]][0] == 1


def test_an_unfinished_count_is_finished_at_the_next_request(acme, time_for_one):
    cache.clear()
    Profile.objects.create(app_group=acme, external_id="one", attributes={"x": 20_005})
    segments = [heavy(acme, number) for number in range(3)]
    first = edit.counts(segments)
    time_for_one.undo()
    assert sorted(first.values(), key=str) == [0, None, None]
    assert edit.counts(segments) == {segments[0].pk: 0, segments[1].pk: 0, segments[2].pk: 1}


def test_a_count_uses_the_current_conditions(acme):
    Profile.objects.create(app_group=acme, external_id="one", country="DE")
    segment = Segment.objects.create(
        app_group=acme, name="S", filter={"field": "country", "op": "is", "value": "FR"}
    )
    assert edit.counts([segment]) == {segment.pk: 0}
    segment.filter, segment.version = {"field": "country", "op": "is", "value": "DE"}, 2
    assert edit.counts([segment]) == {segment.pk: 1}


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "email", "op": "contains", "value": "max@mail.example"},
        {"field": "external_id", "op": "is", "value": "secret-id"},
        {"field": "custom.contact", "op": "is", "value": "max@mail.example"},
        {"field": "custom.contact", "op": "in", "value": ["0151 2345678"]},
    ],
)
def test_viewers_see_no_personal_data_in_a_condition(acme, vera, bob, signed_in, condition):
    named = Segment.objects.create(app_group=acme, name="S", filter=condition)
    value = condition["value"] if isinstance(condition["value"], str) else condition["value"][0]
    for url in (LIST, f"{LIST}{named.pk}/"):
        assert value not in signed_in(vera).get(url).content.decode()
        assert value in signed_in(bob).get(url).content.decode()


def test_an_erasure_lists_the_segments_that_name_the_person(acme, alice, signed_in, make_profile):
    person = make_profile(external_id="gone", email="max@example.org")
    digest = bytes(person.email_sha256).hex()
    for name, value in (("By address", f"sha256:{digest}"), ("Others", "@example.org")):
        condition = {"field": "email", "op": "contains", "value": value}
        Segment.objects.create(app_group=acme, name=name, filter={"any": [condition]})
    ids = {"field": "external_id", "op": "in", "value": ["x", "gone"]}
    Segment.objects.create(app_group=acme, name="By id", filter=ids)
    page = signed_in(alice).post("/g/acme/people/erase/", {"ids": "gone"})
    assert [segment.name for segment in page.context["segments"]] == ["By address", "By id"]
