"""Actions that the control page does at once: revoke tokens, drop ad accounts, delete audiences."""

from collections.abc import Mapping

from tiktok_sandbox import params
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import TikTokError


def revoke_tokens(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    """Revoke the tokens of one user (`user_id`), or all."""
    return {"revoked": sandbox.accounts.revoke_all(user_id_of(sandbox, fields))}


def drop_account(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    """Take an ad account (`advertiser_id`) from one user (`user_id`), or from all."""
    return {"dropped": set_dropped(sandbox, fields, True)}


def restore_account(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    return {"restored": set_dropped(sandbox, fields, False)}


def set_dropped(sandbox: Sandbox, fields: Mapping[str, object], is_dropped: bool) -> int:
    advertiser_id, user_id = advertiser_id_of(sandbox, fields), user_id_of(sandbox, fields)
    return sandbox.accounts.set_dropped(is_dropped, advertiser_id=advertiser_id, user_id=user_id)


def delete_audience(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    audience_id = params.digits(fields, "audience_id")
    if sandbox.audiences.get(audience_id) is None:
        raise params.wrong("audience_id", "is not known")
    sandbox.audiences.delete(audience_id)
    return {"deleted": audience_id}


ACTIONS = {
    "revoke_token": revoke_tokens,
    "drop_account": drop_account,
    "restore_account": restore_account,
    "delete_audience": delete_audience,
}


def user_id_of(sandbox: Sandbox, fields: Mapping[str, object]) -> str | None:
    """Return the id of a known user, None if no user is named. Raises TikTokError."""
    if not fields.get("user_id"):
        return None
    user_id = params.digits(fields, "user_id")
    if sandbox.accounts.user(user_id) is None:
        raise params.wrong("user_id", "is not known")
    return user_id


def advertiser_id_of(sandbox: Sandbox, fields: Mapping[str, object]) -> str:
    """Return the id of a known ad account. Raises TikTokError."""
    advertiser_id = params.digits(fields, "advertiser_id")
    if all(advertiser.id != advertiser_id for advertiser in sandbox.accounts.advertisers()):
        raise params.wrong("advertiser_id", "is not known")
    return advertiser_id


def do(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    """Do an action or set a fault, by its `kind`; return the answer. Raises ValueError."""
    kind = fields.get("kind")
    action = ACTIONS.get(kind) if isinstance(kind, str) else None
    if action is None:
        return sandbox.faults.add(fields).as_json()
    try:
        return {"kind": kind, **action(sandbox, fields)}
    except TikTokError as error:
        raise ValueError(error.message) from error
