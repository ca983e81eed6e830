"""What gunicorn lets a caller do: neither choose the addresses on our pages nor hold a thread with nothing."""

import runpy
import socket
from types import SimpleNamespace

from tests.support.stack import ROOT


def test_a_caller_does_not_choose_the_prefix_of_our_addresses():
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["forwarder_headers"] == ""


def test_a_body_that_does_not_arrive_ends_after_a_while():
    names = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        names["pre_request"](None, SimpleNamespace(unreader=SimpleNamespace(sock=ours)))
        assert ours.gettimeout() == names["BODY_SECONDS"] == 30
