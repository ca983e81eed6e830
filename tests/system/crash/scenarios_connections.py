"""Scenario: connect through OAuth, from the partner's page to the choice of ad accounts."""

from contextlib import suppress
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import requests
from django.conf import settings
from django.db.models import F
from django.http import QueryDict
from django.utils import timezone

from partners import registry
from partners.connections import connect, oauth
from partners.connections.connect import AlreadyChosen
from partners.connections.oauth import NotAuthorized
from partners.models import OAuthState
from tests.system.crash.scenarios_places import ARRIVED, enter_three
from tests.system.crash.scene import Scenario
from tests.system.crash.world import World
from tiktok_sandbox.seed import EU, MARA


def _confirm(world: World, address: str) -> str:
    """Confirm on the partner's page; return the address it redirects the browser to."""
    fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    answer = requests.post(
        f"{world.remote.url}/portal/auth",
        data=fields | {"user": MARA, "scope": ["1", "3"]},
        allow_redirects=False,
        timeout=120,
    )
    return answer.headers["Location"]


def _connect(world: World) -> None:
    """Go through OAuth and choose an ad account. A repetition begins a new authorisation."""
    settings.TIKTOK_AUTH_URL = f"{world.remote.url}/portal/auth"
    partner, session = registry.get("tiktok"), {}
    address = oauth.begin(world.group, partner, by=world.alice, session=session, now=timezone.now())
    query = QueryDict(urlsplit(_confirm(world, address)).query)
    state = oauth.receive(query, partner, user=world.alice, session=session, now=timezone.now())
    connect.choose(state, [EU], now=timezone.now())


def _connect_again(world: World) -> None:
    """Connect; do nothing if another process has completed the authorisation."""
    with suppress(AlreadyChosen, NotAuthorized):
        _connect(world)


def _hours_later(_world: World) -> None:
    """Let authorisations without a choice expire."""
    OAuthState.objects.update(created_at=F("created_at") - timedelta(hours=2))
    oauth.delete_expired(now=timezone.now())


CONNECT = Scenario(
    "connect again",
    prepare=enter_three,
    interrupted=_connect,
    retry=_connect_again,
    finish=_hours_later,
    allowed_ends=(ARRIVED,),
    is_connected_at_end=True,
    void_tokens=(0,),
    n_valid_tokens=2,  # the new one, and tokens[1], which is not used here
    token_lost_at=(
        "after POST oauth2/access_token",
        'before UPDATE "partners_oauthstate" SET "token_sealed"',
    ),
)
