"""Pages create and delete audiences at the partner, and make lookalikes of them."""

import re

import pytest
from django.utils import timezone

from audiencesync.groups.models import Activity
from canvases.audiences.forms import LookalikeForm
from canvases.models import Canvas, Step
from partners import audiences, registry
from partners.audiences import deletion, listing
from partners.models import AdAccount, Audience
from tests.support import builder
from tests.support.threads import Threads
from tiktok_sandbox.seed import EU

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
LIST = "/g/acme/audiences/"


def words(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def use(canvas, audience, *, name, state=Canvas.State.LIVE):
    row = Canvas.objects.create(app_group=canvas.app_group, name=name, state=state)
    sync = builder.make_sync(audience, label=name, is_live=state == Canvas.State.LIVE)
    Step.objects.create(canvas=row, kind="audience_sync", sync=sync).syncs.add(sync)


def test_a_marketer_creates_an_audience(bob_editor, sandbox, eu):
    answer = bob_editor.client.post(
        f"{LIST}new/", {"ad_account": eu.pk, "name": "Spring"}, follow=True
    )

    assert "“Spring” was created as a new audience" in words(answer)
    assert eu.audiences.get(name="Spring").remote_id


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "This field is required"), ("a@example.org", "looks like an e-mail"), ("x" * 90, "too")],
)
def test_a_bad_name_is_refused_beside_its_field(bob_editor, sandbox, eu, name, said):
    answer = bob_editor.client.post(f"{LIST}new/", {"ad_account": eu.pk, "name": name})

    assert answer.status_code == 422
    assert said in words(answer)
    assert not eu.audiences.exclude(name="winback").exists()


def test_deletion_names_the_live_canvases_first(editor_of, alice, winback, canvas):
    use(canvas, winback, name="Live one")
    use(canvas, winback, name="Old one", state=Canvas.State.STOPPED)

    text = words(editor_of(alice).client.get(f"{LIST}{winback.pk}/delete/"))

    assert "Live one" in text
    assert "Old one" not in text


def test_pages_of_an_audience_link_to_a_step_with_a_large_id(editor_of, alice, winback, canvas):
    canvas.state = Canvas.State.LIVE
    canvas.save()
    sync = builder.make_sync(winback, url=f"{canvas.get_absolute_url()}?step=1234567#panel")
    Step.objects.create(pk=1_234_567, canvas=canvas, kind="audience_sync", sync=sync).syncs.add(
        sync
    )
    client = editor_of(alice).client

    for path in (f"{LIST}{winback.pk}/", f"{LIST}{winback.pk}/delete/"):
        assert "?step=1234567#panel" in client.get(path).content.decode()


def test_an_admin_deletes_an_audience_that_takes_no_people(editor_of, alice, sandbox, eu):
    audiences.refresh(eu, now=timezone.now(), is_forced=True)
    row = eu.audiences.get(is_appendable=False, kind__icontains="lookalike")
    answer = editor_of(alice).client.post(f"{LIST}{row.pk}/delete/", follow=True)

    assert "was deleted at TikTok" in words(answer)
    eu.audiences.update(gone_at=None)
    audiences.refresh(eu, now=timezone.now(), is_forced=True)
    assert Audience.objects.get(pk=row.pk).gone_at is not None


def test_an_admin_deletes_an_audience_at_the_partner(editor_of, alice, sandbox, eu):
    row = audiences.create(eu, "Spring", by=alice, now=timezone.now())
    AdAccount.objects.update(n_audiences=7)
    client = editor_of(alice).client

    answer = client.post(f"{LIST}{row.pk}/delete/", follow=True)

    assert "was deleted at TikTok" in words(answer)
    row.refresh_from_db()
    assert row.gone_at is not None
    assert AdAccount.objects.get(pk=eu.pk).n_audiences == 6
    assert Activity.objects.filter(verb="removed", kind="audience", subject="Spring").exists()
    audiences.refresh(eu, now=timezone.now(), is_forced=True)
    assert Audience.objects.get(pk=row.pk).gone_at is not None
    assert client.post(f"{LIST}{row.pk}/delete/").status_code == 302  # a second click


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_two_deletions_at_once_count_once(alice, sandbox, eu):
    row = audiences.create(eu, "Spring", by=alice, now=timezone.now())
    AdAccount.objects.update(n_audiences=7)
    both = Threads()
    for _one in range(2):
        both.start(lambda: deletion.delete(row, by=alice, now=timezone.now()))
    assert both.join() == []

    assert AdAccount.objects.get(pk=eu.pk).n_audiences == 6
    assert Activity.objects.filter(verb="removed", subject="Spring").count() == 1


def test_a_refused_deletion_says_why_and_changes_nothing(editor_of, alice, sandbox, eu, winback):
    eu.connection.token_sealed = ""
    eu.connection.save()

    answer = editor_of(alice).client.post(f"{LIST}{winback.pk}/delete/")

    assert answer.status_code == 422
    assert "not connected" in words(answer)
    assert Audience.objects.get(pk=winback.pk).gone_at is None


def test_each_role_may_do_only_its_acts(editor_of, vera, bob, charlie, winback):
    paths = ["new/", f"{winback.pk}/delete/"]
    assert [editor_of(vera).client.post(LIST + path).status_code for path in paths] == [403, 403]
    assert [editor_of(bob).client.post(LIST + path).status_code for path in paths] == [422, 403]
    assert editor_of(vera).client.get(f"{LIST}{winback.pk}/").status_code == 200
    theirs = editor_of(charlie).client
    assert {theirs.get(LIST + path).status_code for path in ["", f"{winback.pk}/", paths[1]]} == {
        404
    }
    assert theirs.post(LIST + "new/").status_code == 404


def test_an_audience_that_is_not_confirmed_has_no_page(bob_editor, eu):
    row = Audience.objects.create(ad_account=eu, name="New", remote_id="")
    assert bob_editor.client.get(f"{LIST}{row.pk}/").status_code == 404


@pytest.fixture
def customers(sandbox, eu):
    """An audience of the sandbox that is large enough for a lookalike."""
    audiences.refresh(eu, now=timezone.now(), is_forced=True)
    return eu.audiences.filter(size__gte=1000, is_appendable=True).first()


ASKED = {"name": "Like them", "country": "DE", "reach": "NARROW"}


def test_a_lookalike_is_made_from_a_large_audience(bob_editor, customers, eu):
    url = f"{LIST}{customers.pk}/"
    assert "Create lookalike" in words(bob_editor.client.get(url))

    answer = bob_editor.client.post(f"{url}lookalike/", ASKED, follow=True)

    assert "“Like them” was created" in words(answer)
    lookalike = eu.audiences.get(name="Like them")
    assert (lookalike.kind, lookalike.is_appendable) == ("Lookalike Audience", False)
    assert bob_editor.client.post(f"{url}lookalike/", ASKED).status_code == 422  # the name is taken
    assert eu.audiences.filter(name="Like them").count() == 1


def test_a_lookalike_that_was_made_without_an_answer_is_not_made_again(
    bob_editor, customers, sandbox
):
    url = f"{LIST}{customers.pk}/lookalike/"
    sandbox.audiences.create(EU, ASKED["name"], kind="Lookalike Audience")

    answer = bob_editor.client.post(url, ASKED)

    assert (answer.status_code, "exists already" in words(answer)) == (422, True)
    assert [audience.name for audience in sandbox.audiences.of(EU)].count(ASKED["name"]) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_a_second_click_shows_the_same_lookalike(bob, signed_in, customers, sandbox, eu):
    url, answers, clicks = f"{LIST}{customers.pk}/lookalike/", [], Threads()
    for client in [signed_in(bob) for _click in range(3)]:
        clicks.start(lambda client=client: answers.append(client.post(url, ASKED)))
    assert clicks.join() == []

    assert [audience.name for audience in sandbox.audiences.of(EU)].count(ASKED["name"]) == 1
    lookalike_url = f"{LIST}{eu.audiences.get(name=ASKED['name']).pk}/"
    redirects = [answer.url for answer in answers if answer.status_code == 302]
    assert set(redirects) == {lookalike_url}
    assert Activity.objects.filter(verb="created", subject=ASKED["name"]).count() == 1


@pytest.mark.parametrize("wrong", [{"country": "XX"}, {"reach": "ALL"}, {"name": ""}])
def test_a_wrong_lookalike_is_refused(bob_editor, customers, eu, wrong):
    answer = bob_editor.client.post(f"{LIST}{customers.pk}/lookalike/", ASKED | wrong)
    assert answer.status_code == 422
    assert not eu.audiences.filter(name="Like them").exists()


def test_the_suggested_lookalike_is_valid(bob_editor, customers):
    Audience.objects.filter(pk=customers.pk).update(name="ä" * 255)
    form = bob_editor.client.get(f"{LIST}{customers.pk}/").context["form"]
    suggested = {name: form[name].value() for name in form.fields}

    assert suggested["name"] == "ä" * 245 + " lookalike"
    assert suggested["reach"] == "BALANCED"
    assert LookalikeForm(suggested, source=customers).is_valid()


def test_a_small_audience_offers_no_lookalike(bob_editor, winback):
    Audience.objects.filter(pk=winback.pk).update(size=99)
    assert "Create lookalike" not in words(bob_editor.client.get(f"{LIST}{winback.pk}/"))


def test_a_lookalike_offers_no_lookalike(bob_editor, sandbox, eu):
    audiences.refresh(eu, now=timezone.now(), is_forced=True)
    row = eu.audiences.get(kind="Lookalike Audience")
    assert row.size > 100
    assert "Create lookalike" not in words(bob_editor.client.get(f"{LIST}{row.pk}/"))


def test_an_older_list_does_not_bring_a_deleted_audience_back(alice, sandbox, eu):
    row = audiences.create(eu, "Spring", by=alice, now=timezone.now())
    asked_at = timezone.now()
    remote = registry.get("tiktok").list_audiences(eu.connection.token, eu.remote_id)
    deletion.delete(row, by=alice, now=asked_at)
    listing.write_listed(eu, remote, now=asked_at)
    assert Audience.objects.get(pk=row.pk).gone_at is not None
