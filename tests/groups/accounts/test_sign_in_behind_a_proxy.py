"""Limits of signing in count by the address that the proxy tells, not by the proxy's own."""

import json
import subprocess
import sys

from django.test import Client

from tests.support.stack import ROOT, environment

TELL = "from django.conf import settings; print(settings.ALLAUTH_TRUSTED_PROXY_COUNT)"


def try_from(address, email):
    headers = {
        "X-Forwarded-For": f"10.9.9.9, {address}"
    }  # the first is what a caller may have made up
    answer = Client().post(
        "/accounts/login/", {"login": email, "password": "wrong"}, headers=headers
    )
    return "Too many failed login attempts" in answer.content.decode()


def test_who_tries_too_often_locks_out_nobody_else(db, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert [try_from("192.0.2.7", f"u{n}@example.org") for n in range(11)] == [False] * 10 + [True]
    assert not try_from("192.0.2.8", "u99@example.org")


def test_it_is_trusted_only_if_there_is_a_proxy(tmp_path):
    counts = [
        json.loads(
            subprocess.check_output(
                [sys.executable, "-c", TELL], cwd=ROOT, env=environment(tmp_path, **more)
            )
        )
        for more in ({}, {"BEHIND_PROXY": "1"})
    ]
    assert counts == [0, 1]
