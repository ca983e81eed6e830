"""The streaming API: segment/audience (create, delete), segment/mapping (add, delete people)."""

import time

from tiktok_sandbox import batch as batches
from tiktok_sandbox import params
from tiktok_sandbox.accounts import AUDIENCES
from tiktok_sandbox.audiences import PARTNER
from tiktok_sandbox.batch import Batch
from tiktok_sandbox.call import Call
from tiktok_sandbox.faults import Fault, qps_message
from tiktok_sandbox.limits import Limits
from tiktok_sandbox.wire import TikTokError

LONGEST_NAME = 70  # characters; TikTok cuts longer names of audiences


def audience(call: Call) -> dict[str, object]:
    advertiser_id = params.digits(call.body, "advertiser_id")
    action = params.choice(call.body, "action", ("create", "delete"), default="create")
    call.log_line.action = action
    if action == "delete":
        return delete(call, advertiser_id)
    name = params.text(call.body, "custom_audience_name")
    require_access(call, [advertiser_id])
    max_audiences = call.sandbox.options.limits.audiences_per_account
    with call.sandbox.store.lock:
        if call.sandbox.audiences.count(advertiser_id) >= max_audiences:
            reason = f"The ad account has reached the limit of {max_audiences} audiences."
            raise TikTokError(40002, f"{reason} Delete audiences first.")
        audience_id = call.sandbox.audiences.create(advertiser_id, shorten(name))
    call.log_line.audiences = [audience_id]
    return {"audience_id": audience_id}


def shorten(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."


def delete(call: Call, advertiser_id: str) -> dict[str, object]:
    audience_id = params.digits(call.body, "delete_audience_id")
    call.log_line.audiences = [audience_id]
    require_access(call, [advertiser_id])
    if call.require_audience(audience_id, advertiser_id).type != PARTNER:
        raise params.wrong("delete_audience_id", "was not created by this endpoint")
    call.sandbox.audiences.delete(audience_id)
    return {}


def require_access(call: Call, advertisers: list[str]) -> None:
    """Raise TikTokError unless the token reaches these ad accounts and has the permission."""
    for advertiser_id in advertisers:
        call.require_advertiser(advertiser_id)
    call.require_scope(AUDIENCES)
    call.require_allowlist()


def mapping(call: Call) -> dict[str, object]:
    advertisers = params.digits_list(call.body, "advertiser_ids", most=100)
    action = params.choice(call.body, "action", ("add", "delete"), default="add")
    call.log_line.action = action
    batch = batches.read(call.body)
    call.log_line.people, call.log_line.ids = batch.n_people, batch.n_ids
    call.log_line.audiences = batch.audience_ids
    require_access(call, advertisers)
    # Look up one more than the limit at most: `require_size` refuses the request then.
    for audience_id in batch.audience_ids[: call.sandbox.options.limits.audiences_per_request + 1]:
        if call.require_audience(audience_id, *advertisers).type != PARTNER:
            raise params.wrong(
                "audience_ids", f"people cannot be mapped to audience {audience_id} of this type"
            )
    require_size(batch, call.sandbox.options.limits)
    check_poison(call, batch)
    partial = take_partial_fault(call, batch)
    accepted = batch.without(failed_rows(partial, batch)) if partial else batch
    if accepted is not None:  # None: the fault fails every row
        audience_ids = accepted.audience_ids
        parts = ((one_id, accepted.columns_for(one_id)) for one_id in audience_ids)
        call.sandbox.audiences.map(action, parts)
    if partial:
        raise partial_success(partial, batch)
    return {}


def require_size(batch: Batch, limits: Limits) -> None:
    max_people, max_ids = limits.people_per_request, limits.ids_per_request
    if max_people is not None and batch.n_people > max_people:
        raise TikTokError(40061, f"batch_data: at most {max_people} users per request.")
    if max_ids is not None and batch.n_ids > max_ids:
        raise TikTokError(40061, f"batch_data: at most {max_ids} ids per request.")
    if len(batch.audience_ids) > limits.audiences_per_request:
        raise TikTokError(
            40011, f"audience_ids: at most {limits.audiences_per_request} audiences per request."
        )


def check_poison(call: Call, batch: Batch) -> None:
    """Raise TikTokError for the first poison fault whose hash is in the batch; count its use."""
    for fault in call.sandbox.faults.list():
        if (
            fault.kind == "poison"
            and fault.hits(call.endpoint, call.advertisers)
            and batch.rows_with(fault.hash)
        ):
            call.sandbox.faults.use(fault)
            call.applied_faults.append(fault)
            raise params.wrong("batch_data", "holds an invalid id")


def take_partial_fault(call: Call, batch: Batch) -> Fault | None:
    """Return the first partial fault that fails a row of the batch, and count its use."""
    for fault in call.sandbox.faults.list():
        if (
            fault.kind == "partial"
            and fault.hits(call.endpoint, call.advertisers)
            and failed_rows(fault, batch)
        ):
            call.sandbox.faults.use(fault)
            call.applied_faults.append(fault)
            return fault
    return None


def failed_rows(fault: Fault, batch: Batch) -> set[int]:
    """Return the numbers of the rows that a partial fault fails."""
    if fault.hash:
        return batch.rows_with(fault.hash)
    return {row for row in fault.rows if row < len(batch.rows)}


def partial_success(fault: Fault, batch: Batch) -> TikTokError:
    # That `failed_rows` names the rows is our invention: TikTok documents no payload.
    payload = {"failed_rows": sorted(failed_rows(fault, batch))} if fault.named else {}
    return TikTokError(20001, "Partial success.", payload)


def throttle(call: Call) -> None:
    """Apply the limits per ad account to each one that the call names. Raises TikTokError."""
    limits, windows, now = call.sandbox.options.limits, call.sandbox.windows, time.monotonic()
    rate = limits.audience_rate if call.endpoint == "segment/audience" else limits.mapping_rate
    if rate is None:
        return
    for advertiser_id in call.advertisers:
        if not windows.admit((call.endpoint, advertiser_id), rate=rate, now=now):
            raise TikTokError(40133, qps_message(advertiser_id, rate))
