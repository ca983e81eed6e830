"""Calls of the API, most of them wrong, that hold a key and a person."""

import requests

PATHS = ("users/track", "users/identify", "users/delete", "canvas/trigger/send", "users/nothing")


def good_and_bad_calls(url, *, key, told):
    """The key as a header, in the body and, wrongly, in the address; no answer repeats it. Returns their statuses."""
    header, statuses = {"Authorization": f"Bearer {key}"}, set()
    bodies = [
        {"attributes": [told, told | {"braze_id": key}, told | {"email": key}]},
        [told],
        {"attributes": told},
    ]
    for path in PATHS:
        for body in [*bodies, {"api_key": key, "external_ids": [told["email"]]}]:
            for headers, query in ((header, {}), ({}, {}), ({}, {"api_key": key})):
                answer = requests.post(
                    f"{url}/{path}", json=body, headers=headers, params=query, timeout=20
                )
                statuses.add(answer.status_code)
                assert answer.status_code < 500
                assert key not in answer.text
                assert told["email"] not in answer.text
    return statuses
