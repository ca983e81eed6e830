"""The audience library: dmp/custom_audience/list, get, delete, lookalike/create."""

from datetime import UTC, datetime

import orjson

from tiktok_sandbox import params
from tiktok_sandbox.accounts import AUDIENCES
from tiktok_sandbox.audiences import LOOKALIKE, PARTNER, Audience
from tiktok_sandbox.call import Call
from tiktok_sandbox.wire import TikTokError

LIFETIME_SECONDS = 365 * 86_400
MIN_SEED_SIZE = 100  # people in the source of a lookalike audience
TARGETABLE_SIZE = 1_000  # people; ads cannot use a smaller audience
SPEC_CHOICES = {
    "mobile_os": ("ALL", "ANDROID", "IOS"),
    "audience_size": ("NARROW", "BALANCED", "BROAD"),
}
PLACEMENTS = ("TikTok", "TopBuzz & BuzzVideo", "TopBuzz_BuzzVideo", "Pangle")


def time_text(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def listing(call: Call) -> dict[str, object]:
    advertiser_id = params.digits(call.body, "advertiser_id")
    page = params.whole(call.body, "page", default=1, most=10**6)
    page_size = params.whole(call.body, "page_size", default=10, most=100)
    audiences = call.sandbox.audiences.of(advertiser_id)
    if "custom_audience_ids" in call.body:
        ids = params.digits_list(call.body, "custom_audience_ids", most=100)
        audiences = [audience for audience in audiences if audience.id in ids]
    require_access(call, advertiser_id)  # after the parameters: their errors come first
    on_page = audiences[(page - 1) * page_size : page * page_size]
    return {
        "list": [
            summary(call, audience) | {"audience_type": audience.type} for audience in on_page
        ],
        "page_info": {
            "page": page,
            "page_size": page_size,
            "total_number": len(audiences),
            "total_page": -(-len(audiences) // page_size),  # rounded up
        },
    }


def require_access(call: Call, advertiser_id: str) -> None:
    call.require_advertiser(advertiser_id)
    call.require_scope(AUDIENCES)


def summary(call: Call, audience: Audience) -> dict[str, object]:
    """Return the fields that list and get have in common."""
    size = call.sandbox.audiences.cover_num(audience)
    return {
        "audience_id": audience.id,
        "name": audience.name,
        "calculate_type": audience.calculate_type,
        "cover_num": size,
        "create_time": time_text(audience.created_at),
        "expired_time": time_text(audience.created_at + LIFETIME_SECONDS),
        "is_valid": size >= TARGETABLE_SIZE,
        "is_expiring": False,
        "shared": False,
        "is_creator": True,
    }


def get(call: Call) -> dict[str, object]:
    """Return details and history; unknown ids are left out."""
    advertiser_id = params.digits(call.body, "advertiser_id")
    ids = params.digits_list(call.body, "custom_audience_ids", most=100)
    size = params.whole(call.body, "history_size", default=100, most=100)
    require_access(call, advertiser_id)
    of_account = call.sandbox.audiences.of(advertiser_id)
    return {
        "list": [
            {
                "audience_details": details(call, audience),
                "audience_history": history(call, audience, size),
            }
            for audience in of_account
            if audience.id in ids
        ]
    }


def details(call: Call, audience: Audience) -> dict[str, object]:
    return summary(call, audience) | {
        "type": audience.type,
        "audience_sub_type": "NORMAL",
        "is_auto_refresh": False,
        "owner_id": audience.advertiser_id,
        "rule": '{"inclusions": null, "exclusions": null}',
        "msg": None,
        "error_msg": None,
        "lookalike_spec": [orjson.loads(audience.lookalike_spec)]
        if audience.lookalike_spec
        else None,
    }


def history(call: Call, audience: Audience, size: int) -> list[dict[str, object]]:
    """Return the changes, newest first; the last is the creation."""
    # TikTok's spellings differ in the dash.
    rows = [
        ("upload - add" if entry.action == "add" else "upload remove", entry.people, entry.at)
        for entry in call.sandbox.audiences.history(audience.id, size)
    ]
    if len(rows) < size:
        rows.append(("create", audience.base_size, audience.created_at))
    editor = "open_api" if audience.type == PARTNER else "ads_manager"
    return [
        {
            "action": action,
            "action_detail": str(people),
            "editor": editor,
            "msg": None,
            "opt_time": time_text(at),
        }
        for action, people, at in rows
    ]


def delete(call: Call) -> dict[str, object]:
    advertiser_id = params.digits(call.body, "advertiser_id")
    ids = params.digits_list(call.body, "custom_audience_ids", most=100)
    call.log_line.action, call.log_line.audiences = "delete", ids
    require_access(call, advertiser_id)
    for audience_id in ids:  # all or none are deleted
        call.require_audience(audience_id, advertiser_id)
    for audience_id in ids:
        call.sandbox.audiences.delete(audience_id)
    return {}


def lookalike_create(call: Call) -> dict[str, object]:
    advertiser_id = params.digits(call.body, "advertiser_id")
    name = params.text(call.body, "custom_audience_name", longest=128)
    spec = read_spec(call.body.get("lookalike_spec"))
    require_access(call, advertiser_id)
    source = call.require_audience(str(spec["source_audience_id"]), advertiser_id)
    if source.type == LOOKALIKE:
        raise params.wrong(
            "lookalike_spec.source_audience_id", "should not be a lookalike audience"
        )
    # The true size, which `cover_num` may show later.
    if call.sandbox.audiences.people(source) < MIN_SEED_SIZE:
        raise TikTokError(
            40002, f"The source audience is too small: at least {MIN_SEED_SIZE} people are needed."
        )
    spec_text = orjson.dumps(spec).decode()
    audience_id = call.sandbox.audiences.create(
        advertiser_id, name, kind=LOOKALIKE, lookalike_spec=spec_text
    )
    call.log_line.action, call.log_line.audiences = "create", [audience_id]
    return {"custom_audience_id": audience_id}


def read_spec(value: object) -> dict[str, object]:
    if value is None:
        raise params.missing("lookalike_spec")
    if not isinstance(value, dict):
        raise params.wrong("lookalike_spec", "should be an object")
    placements = params.choices(value, "placements", PLACEMENTS)
    locations = value.get("location_ids")
    if not placements:
        raise params.missing("placements")
    if (
        not isinstance(locations, list)
        or not locations
        or not all(isinstance(location, str) for location in locations)
    ):
        raise params.wrong("location_ids", "should be a non-empty list of strings")
    return {
        "source_audience_id": params.digits(value, "source_audience_id"),
        "include_source": params.boolean(value, "include_source"),
        "placements": placements,
        "location_ids": locations,
        **{name: params.choice(value, name, allowed) for name, allowed in SPEC_CHOICES.items()},
    }
