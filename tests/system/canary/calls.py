"""Call the API, mostly with invalid calls, which contain a key and personal data."""

import requests

PATHS = ("users/track", "users/identify", "users/delete", "canvas/trigger/send", "users/nothing")


def good_and_bad_calls(url, *, key, person):
    """Make calls with the key in a header, in the body and in the query; return their statuses.

    Assert that no answer repeats the key or the e-mail address.
    """
    header, statuses = {"Authorization": f"Bearer {key}"}, set()
    bodies = [
        {"attributes": [person, person | {"braze_id": key}, person | {"email": key}]},
        [person],
        {"attributes": person},
    ]
    for path in PATHS:
        for body in [*bodies, {"api_key": key, "external_ids": [person["email"]]}]:
            for headers, query in ((header, {}), ({}, {}), ({}, {"api_key": key})):
                answer = requests.post(
                    f"{url}/{path}", json=body, headers=headers, params=query, timeout=120
                )
                statuses.add(answer.status_code)
                assert answer.status_code < 500
                assert key not in answer.text
                assert person["email"] not in answer.text
    return statuses
