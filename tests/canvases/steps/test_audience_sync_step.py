"""The Audience Sync step is configured by form posts, which create and edit its sync."""

import pytest
from django.utils import timezone

from canvases.models import Canvas
from partners.models import AdAccount, Audience, Connection, Sync
from partners.sync import enqueue

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bob_editor):
    return bob_editor.add_step("audience_sync")


def test_saving_creates_a_sync(bob_editor, step, winback, canvas):
    answer = bob_editor.save_sync(step, winback, action="remove", kinds=("gaid", "email"))

    assert answer.status_code == 302
    step.refresh_from_db()
    assert (step.sync.audience, step.sync.action, step.sync.kinds) == (
        winback,
        "remove",
        ["email", "gaid"],
    )
    assert step.sync.url == f"{canvas.get_absolute_url()}?step={step.pk}"
    assert step.sync.label == "Cart: winback"
    assert (step.sync.is_live, step.sync.paused) == (False, False)
    assert list(step.syncs.all()) == [step.sync]


def test_a_sync_without_deliveries_is_edited(bob_editor, step, winback):
    bob_editor.save_sync(step, winback)
    bob_editor.save_sync(step, winback, kinds=("phone",))

    assert Sync.objects.get().kinds == ["phone"]


def test_a_sync_with_deliveries_is_replaced_by_a_new_one(bob_editor, step, winback, people, canvas):
    bob_editor.save_sync(step, winback)
    step.refresh_from_db()
    first = step.sync
    visits = [canvas.visits.create(profile=people[0], entered_at=timezone.now())]
    enqueue(first, canvas.visits.values_list("pk", "profile_id"), now=timezone.now())
    Canvas.objects.filter(pk=canvas.pk).update(state="live")

    assert (
        bob_editor.save_sync(step, winback, kinds=("phone",)).status_code == 422
    )  # the form asks what becomes of pending people
    bob_editor.save_sync(step, winback, kinds=("phone",), waiting="travel")

    step.refresh_from_db()
    first.refresh_from_db()
    assert len(visits) == 1
    assert (first.kinds, step.sync.kinds, step.sync.is_live) == (["email"], ["phone"], True)
    assert set(step.syncs.all()) == {first, step.sync}


def test_a_renamed_canvas_renames_its_syncs(bob_editor, step, winback, segment, canvas):
    bob_editor.save_sync(step, winback)

    bob_editor.post("canvas_entry", name="Other", segment=segment.pk, description="", version=1)

    assert Sync.objects.get().label == "Other: winback"


def test_the_name_of_an_existing_audience_chooses_it(bob_editor, step, winback):
    answer = bob_editor.save_sync(step, winback, audience="", audience_name=" winback ")

    assert answer.status_code == 302
    step.refresh_from_db()
    assert step.sync.audience == winback


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ad_account": ""}, "Choose an ad account."),
        ({"audience": ""}, "Choose an audience, or type a name for a new one."),
        (
            {"audience": "", "audience_name": "new one"},
            "does not exist yet. Press Create audience.",
        ),
        ({"kinds": []}, "Choose at least one field to match."),
        ({"kinds": ["name"]}, "Select a valid choice"),
        ({"action": "replace"}, "Select a valid choice"),
        (
            {"audience": "99999999999999999999999"},
            "This audience does not belong to the ad account",
        ),
        ({"ad_account": "\0"}, "Null characters are not allowed"),
        ({"audience_name": "a\0b", "audience": ""}, "Null characters are not allowed"),
    ],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_an_error_is_shown_beside_its_field(bob_editor, step, winback, wrong, words, htmx):
    answer = bob_editor.save_sync(step, winback, htmx=htmx, **wrong)

    assert answer.status_code == 422
    panel = answer.content.decode().split('id="step-form"')[1].split("</form>")[0]
    assert panel.count(words) == 2  # in the summary and at the field
    step.refresh_from_db()
    assert step.settings == {}


def test_an_audience_that_is_not_appendable_is_rejected_with_the_reason(bob_editor, step, winback):
    Audience.objects.filter(pk=winback.pk).update(
        is_appendable=False, why_not="A lookalike audience."
    )

    answer = bob_editor.save_sync(step, winback)

    assert answer.status_code == 422
    assert "winback: A lookalike audience." in answer.content.decode()


def test_a_lookalike_is_disabled_in_the_list(bob_editor, step, winback):
    Audience.objects.filter(pk=winback.pk).update(
        is_appendable=False, why_not="A lookalike audience."
    )

    options = bob_editor.get(
        "step_choices", step.pk, ad_account=winback.ad_account_id, htmx=True
    ).content.decode()

    option = next(line for line in options.split("<option") if 'data-name="winback"' in line)
    assert " disabled" in option
    assert "A lookalike audience." in option


@pytest.mark.parametrize("field", ["ad_account", "audience"])
def test_rows_of_another_group_are_unknown(bob_editor, step, winback, other_group, field):
    foreign = Connection(partner="tiktok", app_group=other_group)
    foreign.set_token("x")
    foreign.save()
    account = AdAccount.objects.create(connection=foreign, remote_id="7", name="Umbrella")
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="theirs")

    answer = bob_editor.save_sync(
        step, winback, **{field: {"ad_account": account, "audience": audience}[field].pk}
    )

    assert answer.status_code == 422
    assert "theirs" not in answer.content.decode()
    assert "Umbrella" not in answer.content.decode()


def test_a_disconnected_ad_account_is_not_offered(bob_editor, step, winback):
    AdAccount.objects.update(is_chosen=False)

    answer = bob_editor.save_sync(step, winback)

    assert answer.status_code == 422
    assert "This ad account is not connected" in answer.content.decode()


def test_coverage_counts_the_people_of_the_entry_segment(bob_editor, step, winback, people):
    page = bob_editor.get(step=step.pk).content.decode()

    assert "E-mail (10 of 12)" in page
    assert "Phone (2 of 12)" in page
    assert "iOS IDFA (0 of 12)" in page


def test_names_survive_emoji_and_are_escaped(bob_editor, step, winback):
    Audience.objects.filter(pk=winback.pk).update(name="<b>🙂 عربي</b>")

    bob_editor.save_sync(step, winback)

    page = bob_editor.get(step=step.pk).content.decode()
    assert "&lt;b&gt;🙂 عربي&lt;/b&gt;" in page
    assert "<b>🙂" not in page
