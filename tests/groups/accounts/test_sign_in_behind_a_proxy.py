"""Limits of sign-in count by the client address that the proxy forwards."""

import json
import subprocess
import sys

import pytest
from django.test import Client

from tests.support.stack import ROOT, environment

pytestmark = pytest.mark.thorough

PRINT_COUNT = "from django.conf import settings; print(settings.ALLAUTH_TRUSTED_PROXY_COUNT)"


def try_from(address, email):
    # the first address may be made up by the client
    headers = {"X-Forwarded-For": f"10.9.9.9, {address}"}
    answer = Client().post(
        "/accounts/login/", {"login": email, "password": "wrong"}, headers=headers
    )
    return "Too many failed login attempts" in answer.content.decode()


def test_too_many_attempts_lock_out_one_client_address_only(db, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert [try_from("192.0.2.7", f"u{n}@example.org") for n in range(11)] == [False] * 10 + [True]
    assert not try_from("192.0.2.8", "u99@example.org")


def test_forwarded_addresses_are_trusted_only_behind_a_proxy(tmp_path):
    counts = [
        json.loads(
            subprocess.check_output(
                [sys.executable, "-c", PRINT_COUNT], cwd=ROOT, env=environment(tmp_path, **more)
            )
        )
        for more in ({}, {"BEHIND_PROXY": "1"})
    ]
    assert counts == [0, 1]
