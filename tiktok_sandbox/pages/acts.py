"""Acts that change the data at once: revoke tokens, drop ad accounts, delete audiences."""

from collections.abc import Mapping

from tiktok_sandbox import params
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import TikTokError


def revoke_tokens(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    """Revoke the tokens of one user (`user_id`), or all."""
    return {"revoked": sandbox.accounts.revoke_all(user_of(sandbox, fields))}


def drop_account(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    """Take an ad account (`advertiser_id`) from one user (`user_id`), or from all."""
    return {"dropped": set_dropped(sandbox, fields, True)}


def restore_account(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    return {"restored": set_dropped(sandbox, fields, False)}


def set_dropped(sandbox: Sandbox, fields: Mapping[str, object], is_dropped: bool) -> int:
    account, user = account_of(sandbox, fields), user_of(sandbox, fields)
    return sandbox.accounts.set_dropped(is_dropped, advertiser_id=account, user_id=user)


def delete_audience(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    audience_id = params.digits(fields, "audience_id")
    if sandbox.audiences.get(audience_id) is None:
        raise params.wrong("audience_id", "is not known")
    sandbox.audiences.delete(audience_id)
    return {"deleted": audience_id}


ACTS = {
    "revoke_token": revoke_tokens,
    "drop_account": drop_account,
    "restore_account": restore_account,
    "delete_audience": delete_audience,
}


def user_of(sandbox: Sandbox, fields: Mapping[str, object]) -> str | None:
    if not fields.get("user_id"):
        return None
    user_id = params.digits(fields, "user_id")
    if sandbox.accounts.user(user_id) is None:
        raise params.wrong("user_id", "is not known")
    return user_id


def account_of(sandbox: Sandbox, fields: Mapping[str, object]) -> str:
    advertiser_id = params.digits(fields, "advertiser_id")
    if all(advertiser.id != advertiser_id for advertiser in sandbox.accounts.advertisers()):
        raise params.wrong("advertiser_id", "is not known")
    return advertiser_id


def do(sandbox: Sandbox, fields: Mapping[str, object]) -> dict[str, object]:
    """Do an act or set a fault, by its `kind`; return the answer. Raises ValueError."""
    kind = fields.get("kind")
    act = ACTS.get(kind) if isinstance(kind, str) else None
    if act is None:
        return sandbox.faults.add(fields).shown()
    try:
        return {"kind": kind, **act(sandbox, fields)}
    except TikTokError as error:
        raise ValueError(error.message) from error
