"""A port given to a test stays free until its server listens."""

import socket

from scripts import ports


def test_a_port_lies_below_those_of_outgoing_connections():
    assert ports.LOWEST_PORT <= ports.free_port() < int(ports.OUTGOING_RANGE.read_text().split()[0])


def test_a_port_in_use_or_given_before_is_not_given(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.free_port()))
        one, two = ports.free_port(), ports.free_port()
        drawn = iter([taken.getsockname()[1], one, one, two])
        monkeypatch.setattr(ports, "_given", set())
        monkeypatch.setattr(ports.random, "randrange", lambda *_: next(drawn))
        assert [ports.free_port(), ports.free_port()] == [one, two]
