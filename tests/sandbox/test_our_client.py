"""The product's client works against the sandbox on every endpoint."""

import orjson
import pytest

from partners.errors import Disconnected, Rejected
from partners.tiktok.client import Client
from tiktok_sandbox.sandbox import DEMO_APP_ID, DEMO_SECRET
from tiktok_sandbox.seed import EU, MARA, US


@pytest.fixture
def client(server):
    return Client(DEMO_APP_ID, DEMO_SECRET, server.url)


@pytest.fixture
def token(client, server):
    return client.exchange(server.sandbox.accounts.issue_code(MARA, frozenset({1, 3}))).access_token


def test_it_reads_user_and_ad_accounts(client, token):
    assert client.user_info(token).name == "Mara Lindner"
    accounts = client.advertiser_info(
        token, [advertiser.id for advertiser in client.advertisers(token)]
    )
    assert [account.is_usable for account in accounts] == [True, True, True, False]


def test_it_fills_and_deletes_an_audience(client, token, server, person_row):
    audience = client.create_audience(token, EU, "winback")
    body = {
        "advertiser_ids": [EU],
        "action": "add",
        "id_schema": ["EMAIL_SHA256"],
        "batch_data": [person_row(audience, 1)],
    }
    client.push(token, orjson.dumps(body))
    assert server.sandbox.audiences.members(audience).people == 1
    assert client.get_audiences(token, EU, [audience])[0].size == 1
    client.delete_audience(token, EU, audience)
    assert audience not in {one.id for one in client.list_audiences(token, EU)}


def test_it_reads_every_page(client, token, server):
    for n in range(150):
        server.sandbox.audiences.create(US, f"audience {n}")
    assert len(client.list_audiences(token, US)) == 155


def test_it_understands_an_error(client, token):
    with pytest.raises(Rejected):
        client.delete_audience(token, EU, "7999999999999999999")


def test_it_understands_a_revoked_token(client, token):
    client.revoke(token)
    with pytest.raises(Disconnected):
        client.user_info(token)
