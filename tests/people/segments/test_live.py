"""Live segments: people who join and leave are signalled once, by their changes or by time."""

from audiencesync.people.models import Event


def test_a_person_joins_and_leaves_by_an_attribute(api, person, listen):
    listener = listen()
    api.track(attributes=[{"external_id": "a", "plan": "gold"}, {"external_id": "b"}])
    assert listener.work() == [("joined", person("a").pk)]
    assert listener.members() == {person("a").pk}
    api.track(attributes=[{"external_id": "a", "plan": "free"}])
    assert listener.work() == [("left", person("a").pk)]
    assert listener.members() == set()


def test_the_people_of_the_beginning_are_members_without_a_signal(make_profile, listen):
    gold = make_profile(attributes={"plan": "gold"})
    listener = listen()
    assert (listener.work(), listener.members()) == ([], {gold.pk})


def test_an_event_is_signalled_to_those_who_subscribed_to_it(api, person, listen):
    listener = listen(segment=None, kind="event", name="cart")
    at = "2026-11-01T00:00:00Z"
    api.track(
        events=[
            {"external_id": "a", "name": "cart", "time": at},
            {"external_id": "a", "name": "other", "time": at},
        ]
    )
    assert listener.heard() == [("event", person("a").pk)]
    assert Event.objects.count() == 2
