"""Tokens and ad accounts: oauth2/*, advertiser/info, user/info."""

from dataclasses import asdict

from tiktok_sandbox import params
from tiktok_sandbox.accounts import AD_ACCOUNTS, Advertiser
from tiktok_sandbox.call import Call

INFO_FIELDS = [
    "telephone_number",
    "contacter",
    "currency",
    "cellphone_number",
    "timezone",
    "advertiser_id",
    "role",
    "company",
    "status",
    "description",
    "rejection_reason",
    "address",
    "name",
    "language",
    "industry",
    "license_no",
    "email",
    "license_url",
    "country",
    "balance",
    "create_time",
    "display_timezone",
    "owner_bc_id",
    "advertiser_account_type",
]
FIELDS_ON_REQUEST = ("company_name_editable", "can_use_custom_identity", "ads_only_mode")


def access_token(call: Call) -> dict[str, object]:
    call.require_app(call.body)
    grant = call.sandbox.accounts.redeem(params.text(call.body, "auth_code"))
    token = call.sandbox.accounts.issue_token(grant.user_id, grant.scope)
    advertisers = call.sandbox.accounts.advertisers_of(grant.user_id)
    with_ids = call.body.get("return_advertiser_ids", True)
    return {
        "access_token": token,
        "advertiser_ids": [advertiser.id for advertiser in advertisers] if with_ids else [],
        "scope": sorted(grant.scope),
    }


def revoke_token(call: Call) -> dict[str, object]:
    call.require_app(call.body)
    token = params.text(call.body, "access_token")
    if token != call.request.headers.get("access-token"):
        raise params.wrong("access_token", "should be the token of the header Access-Token")
    advertisers = call.sandbox.accounts.advertisers_of(call.token.user_id)
    call.sandbox.accounts.revoke(token)
    return {
        "app_id": call.sandbox.options.app_id,
        "advertiser_ids": [advertiser.id for advertiser in advertisers],
    }


def advertiser_get(call: Call) -> dict[str, object]:
    call.require_app(call.body)
    call.require_scope(AD_ACCOUNTS)
    advertisers = call.sandbox.accounts.advertisers_of(call.token.user_id)
    return {
        "list": [
            {"advertiser_id": advertiser.id, "advertiser_name": advertiser.name}
            for advertiser in advertisers
        ]
    }


def advertiser_info(call: Call) -> dict[str, object]:
    ids = params.digits_list(call.body, "advertiser_ids", most=100)
    fields = params.choices(call.body, "fields", [*INFO_FIELDS, *FIELDS_ON_REQUEST])
    for advertiser_id in ids:
        call.require_advertiser(advertiser_id)
    call.require_scope(AD_ACCOUNTS)
    by_id = {advertiser.id: advertiser for advertiser in call.sandbox.accounts.advertisers()}
    return {"list": [select(info(by_id[advertiser_id]), fields) for advertiser_id in ids]}


def info(advertiser: Advertiser) -> dict[str, object]:
    """Return INFO_FIELDS of an ad account; None for what the sandbox does not know."""
    fields = asdict(advertiser)
    advertiser_id, create_time = fields.pop("id"), fields.pop("created_at")
    return dict.fromkeys(INFO_FIELDS) | {
        "advertiser_id": advertiser_id,
        "create_time": create_time,
        **fields,
        "role": "ROLE_ADVERTISER",
        "company": "Acme GmbH",
        "industry": "290501",
        "language": "en",
        "email": "a***s@acme.example",
        "balance": 1000.0,
        "rejection_reason": "",
        "advertiser_account_type": "AUCTION",
        "owner_bc_id": "6812345678901234567",
    }


def select(info: dict[str, object], fields: list[str]) -> dict[str, object]:
    """Return the id and the named ``fields`` of an ad account; all of ``info`` if none is named.

    If some of them are of FIELDS_ON_REQUEST, TikTok returns only those and the id.
    """
    on_request = [name for name in FIELDS_ON_REQUEST if name in fields]
    if on_request:
        return {"advertiser_id": info["advertiser_id"], **dict.fromkeys(on_request, False)}
    if fields:
        return {name: info[name] for name in ["advertiser_id", *fields]}
    return info


def user_info(call: Call) -> dict[str, object]:
    user = next(user for user in call.sandbox.accounts.users() if user.id == call.token.user_id)
    return {
        "core_user_id": user.id,
        "display_name": user.name,
        "email": user.email,
        "avatar_url": "",
        "create_time": user.created_at,
    }
