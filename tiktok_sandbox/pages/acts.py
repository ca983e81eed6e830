"""Troubles that happen once, to the world and not to a call: tokens revoked, ad accounts and audiences taken."""

from collections.abc import Mapping

from tiktok_sandbox import params
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import Refuse


def revoke_tokens(sandbox: Sandbox, wish: Mapping[str, object]) -> dict[str, object]:
    """Of one user (`user_id`), or of all."""
    return {"revoked": sandbox.accounts.revoke_all(user_of(sandbox, wish))}


def drop_account(sandbox: Sandbox, wish: Mapping[str, object]) -> dict[str, object]:
    """One ad account (`advertiser_id`) leaves the reach of one user (`user_id`), or of all."""
    return {"dropped": set_dropped(sandbox, wish, True)}


def restore_account(sandbox: Sandbox, wish: Mapping[str, object]) -> dict[str, object]:
    return {"restored": set_dropped(sandbox, wish, False)}


def set_dropped(sandbox: Sandbox, wish: Mapping[str, object], is_dropped: bool) -> int:
    account, user = account_of(sandbox, wish), user_of(sandbox, wish)
    return sandbox.accounts.set_dropped(is_dropped, advertiser_id=account, user_id=user)


def delete_audience(sandbox: Sandbox, wish: Mapping[str, object]) -> dict[str, object]:
    audience_id = params.digits(wish, "audience_id")
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


def user_of(sandbox: Sandbox, wish: Mapping[str, object]) -> str | None:
    if not wish.get("user_id"):
        return None
    user_id = params.digits(wish, "user_id")
    if sandbox.accounts.user(user_id) is None:
        raise params.wrong("user_id", "is not known")
    return user_id


def account_of(sandbox: Sandbox, wish: Mapping[str, object]) -> str:
    advertiser_id = params.digits(wish, "advertiser_id")
    if all(advertiser.id != advertiser_id for advertiser in sandbox.accounts.advertisers()):
        raise params.wrong("advertiser_id", "is not known")
    return advertiser_id


def do(sandbox: Sandbox, wish: Mapping[str, object]) -> dict[str, object]:
    """An act at once, or a fault that stands. ValueError with a clear word if the wish makes no sense."""
    kind = wish.get("kind")
    act = ACTS.get(kind) if isinstance(kind, str) else None
    if act is None:
        return sandbox.faults.add(wish).shown()
    try:
        return {"kind": kind, **act(sandbox, wish)}
    except Refuse as refusal:
        raise ValueError(refusal.message) from refusal
