"""REST: lists of Braze that are always empty here. Connectors read them first and stop at a 404."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Query, Router

from audiencesync.rest import door
from audiencesync.rest.pagination import Listing

router = Router(tags=["braze"])
READ = door.require("canvas.read")


class Campaigns(door.Success):
    """An empty list: canvases take the place of campaigns."""

    campaigns: list[dict[str, object]]


class Cards(door.Success):
    """An empty list: apps show no cards."""

    cards: list[dict[str, object]]


@router.get(
    "/campaigns/list",
    auth=READ,
    response={200: Campaigns} | door.ERRORS,
    summary="List campaigns: none",
)
def list_campaigns(request: door.ApiRequest, asked: Query[Listing]) -> HttpResponse:
    """Return a list that is always empty; canvases are under /canvas/list."""
    return door.success(campaigns=[])


@router.get(
    "/feed/list",
    auth=READ,
    response={200: Cards} | door.ERRORS,
    summary="List news feed cards: none",
)
def list_cards(request: door.ApiRequest, asked: Query[Listing]) -> HttpResponse:
    """Return a list that is always empty."""
    return door.success(cards=[])
