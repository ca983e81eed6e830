"""Any request gets TikTok's envelope and no internal error."""

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiktok_sandbox.routes import ENDPOINTS
from tiktok_sandbox.seed import EU, FIRST_AUDIENCE

pytestmark = pytest.mark.thorough

KEYS = [
    "advertiser_id", "advertiser_ids", "action", "id_schema", "batch_data", "custom_audience_name",
    "delete_audience_id", "custom_audience_ids", "lookalike_spec", "app_id", "secret", "auth_code",
    "access_token", "fields", "page", "page_size",
]  # fmt: skip
CELL_KEYS = [
    "id",
    "audience_ids",
    "source_audience_id",
    "placements",
    "location_ids",
    "include_source",
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**63),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(
        [
            EU,
            str(FIRST_AUDIENCE),
            "a" * 64,
            "EMAIL_SHA256",
            "PHONE_SHA256",
            "delete",
            "add",
            "²",
            "9" * 40,
            f'["{EU}"]',
        ]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(CELL_KEYS), inner, max_size=3)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)
RIGHT = {
    "advertiser_id": EU,
    "advertiser_ids": [EU],
    "id_schema": ["EMAIL_SHA256"],
    "custom_audience_name": "x",
}
FUZZ = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def judge(answer):
    assert answer.status_code == 200
    assert set(answer.json()) == {"code", "message", "request_id", "data"}
    assert answer.json()["code"] != 50000


@pytest.mark.parametrize(
    "endpoint", sorted(name for name, one in ENDPOINTS.items() if one.method == "POST")
)
def test_odd_bodies(mara_client, endpoint):
    @FUZZ
    @given(body=BODIES, is_half_right=st.booleans())
    def check(body, is_half_right):
        content = {**RIGHT, **body} if is_half_right else body
        headers = {"Content-Type": "application/json", "Access-Token": mara_client.token}
        judge(
            mara_client.session.post(
                mara_client.url(endpoint), data=orjson.dumps(content), headers=headers, timeout=60
            )
        )

    check()


@pytest.mark.parametrize(
    "endpoint", sorted(name for name, one in ENDPOINTS.items() if one.method == "GET")
)
def test_odd_queries(mara_client, endpoint):
    @FUZZ
    @given(
        query=st.dictionaries(
            st.sampled_from(KEYS), LEAVES.map(str) | VALUES.map(lambda v: orjson.dumps(v).decode())
        )
    )
    def check(query):
        judge(
            mara_client.session.get(
                mara_client.url(endpoint),
                params=query,
                headers={"Access-Token": mara_client.token},
                timeout=60,
            )
        )

    check()
