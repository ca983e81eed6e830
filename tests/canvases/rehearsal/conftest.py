"""Read the page that rehearses one person: its steps, branches and requests."""

import html
import re

import pytest

from canvases.models import Step


class Page:
    """The response to a request for the page."""

    def __init__(self, answer):
        self.status, self.answer = answer.status_code, answer
        self.text = answer.content.decode()

    def stop(self, step):
        """Return the card of a step as text; empty if the person does not come to the step."""
        match = re.search(
            rf'<li class="card" id="stop-{step.pk}">(.*?)</li>\s*(?=<li class="card")',
            self.text,
            re.DOTALL,
        )
        return " ".join(re.sub("<[^>]+>", " ", match[1]).split()) if match else ""

    @property
    def path(self):
        """Return the ids of the steps that the person comes to."""
        return [int(pk) for pk in re.findall(r'id="stop-(\d+)"', self.text)]

    @property
    def bodies(self):
        """Return the bodies of the requests as they would be sent."""
        bodies = re.findall(r'<pre class="rehearsal-body"[^>]*>(.*?)</pre>', self.text, re.DOTALL)
        return [html.unescape(one).encode() for one in bodies]


@pytest.fixture
def rehearse(signed_in, bob):
    """rehearse(canvas, profile, user=bob, **query) -> the Page."""

    def get(canvas, profile=None, *, user=bob, **query):
        query |= {"person": profile.pk} if profile is not None else {}
        return Page(signed_in(user).get(f"{canvas.get_absolute_url()}rehearse/", query))

    return get


@pytest.fixture
def one_sync(canvas):
    """One Audience Sync at the end of the flow."""
    return Step.objects.create(canvas=canvas, kind="audience_sync")
