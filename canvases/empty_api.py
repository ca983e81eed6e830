"""REST: lists of Braze that have nothing in them here. A connector asks for them first and stops at a 404."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Query, Router

from audiencesync.groups import rest
from audiencesync.groups.listing import Listing

router = Router(tags=["braze"])
READ = rest.require("canvas.read")


class Campaigns(rest.Success):
    """None: there are canvases."""

    campaigns: list[dict[str, object]]


class Cards(rest.Success):
    """None: nothing is shown in apps."""

    cards: list[dict[str, object]]


@router.get("/campaigns/list", auth=READ, response={200: Campaigns} | rest.ERRORS, summary="List campaigns: none")
def list_campaigns(request: rest.ApiRequest, asked: Query[Listing]) -> HttpResponse:
    """Always empty; canvases are under /canvas/list."""
    return rest.success(campaigns=[])


@router.get("/feed/list", auth=READ, response={200: Cards} | rest.ERRORS, summary="List news feed cards: none")
def list_cards(request: rest.ApiRequest, asked: Query[Listing]) -> HttpResponse:
    """Always empty."""
    return rest.success(cards=[])
