"""Gunicorn: a client can neither set the URL prefix nor hold a thread without sending."""

import runpy
import socket
from types import SimpleNamespace

from tests.support.stack import ROOT


def test_a_client_cannot_set_the_url_prefix():
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["forwarder_headers"] == ""


def test_a_body_that_does_not_arrive_times_out():
    names = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        names["pre_request"](None, SimpleNamespace(unreader=SimpleNamespace(sock=ours)))
        assert ours.gettimeout() == names["BODY_SECONDS"] == 30
