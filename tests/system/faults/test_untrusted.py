"""F46: TikTok's name is not found, or its certificate is not valid: an unknown outcome, nothing is sent in the clear."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone

from partners import housekeeping
from partners.models import Push
from tests.system.faults.lawful import TRUE_TIMES

TLS_HANDSHAKE = 0x16


class Issuer:
    """A certificate authority that the client trusts, and what it has signed."""

    def __init__(self, folder):
        self.folder, self.now = folder, datetime.now(UTC)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our own authority")])
        self.write(
            "authority.pem", self.signed(self.name, self.key, "authority", is_authority=True)
        )

    def write(self, name, *certificates, key=None):
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) if key else b""
        (self.folder / name).write_bytes(
            private + b"".join(one.public_bytes(pem) for one in certificates)
        )
        return self.folder / name

    def signed(self, subject, key, host, *, days=9, by=None, is_authority=False):
        """A certificate for ``host`` that ends in ``days``."""
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if by else self.name)
        )
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(self.now - timedelta(days=9)).not_valid_after(
            self.now + timedelta(days=days)
        )
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        made = made.add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
        )
        return made.sign(by or self.key, hashes.SHA256())


CERTIFICATES = {
    "good": {},
    "expired": {"days": -1},
    "of another host": {"host": "example.org"},
    "signed by itself": {},
}


@pytest.fixture
def secured(tmp_path, monkeypatch):
    """secured(kind) -> address of a server with such a certificate, the first byte of each caller, and what it read."""
    issuer, listeners = Issuer(tmp_path), []
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "authority.pem"))

    def make(kind):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        by = key if kind == "signed by itself" else None
        certificate = issuer.signed(name, key, **{"host": "localhost"} | CERTIFICATES[kind], by=by)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issuer.write("both.pem", certificate, key=key))
        listeners.append(socket.create_server(("127.0.0.1", 0)))
        first_bytes, requests = [], []
        threading.Thread(
            target=serve, args=(listeners[-1], context, first_bytes, requests), daemon=True
        ).start()
        return f"https://localhost:{listeners[-1].getsockname()[1]}", first_bytes, requests

    yield make
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def serve(listener, context, first_bytes, requests):
    while True:
        try:
            caller, _address = listener.accept()
            first_bytes.append(caller.recv(1, socket.MSG_PEEK)[0])
            with context.wrap_socket(caller, server_side=True) as secured:
                requests.append(secured.recv(10))
        except ssl.SSLError:
            continue
        except OSError:
            return


def waits_then_goes_on(town, settings, address):
    """People wait while TikTok is at ``address``, with an unknown outcome each time; then all are sent."""
    good, settings.TIKTOK_API_URL = settings.TIKTOK_API_URL, address
    asked = town.sync()
    town.enter(asked, town.people(1000))
    town.beats(0.5)
    assert town.counts(asked) == {"entered": 1000, "pending": 1000}
    assert set(Push.objects.values_list("code", flat=True)) == {"no_answer"}
    assert town.mappings() == []
    settings.TIKTOK_API_URL = good
    town.settle()
    assert town.counts(asked) == {"entered": 1000, "synced": 1000}
    town.judge()


@pytest.mark.parametrize("kind", [kind for kind in CERTIFICATES if kind != "good"])
def test_a_certificate_that_is_not_valid(town, settings, secured, kind):
    address, first_bytes, requests = secured(kind)
    waits_then_goes_on(town, settings, address)
    assert set(first_bytes) == {TLS_HANDSHAKE}
    assert b"".join(requests) == b""


def test_a_good_one_is_spoken_to(town, settings, secured):
    """So it is the certificate that the others are refused for; this server answers nothing."""
    address, _first_bytes, requests = secured("good")
    waits_then_goes_on(town, settings, address)
    assert set(requests) == {b"POST /open"}


def test_an_admin_is_mailed_before_time_runs_out(town, pace, settings, secured, alice, mailoutbox):
    pace(**TRUE_TIMES)
    settings.TIKTOK_API_URL, _first_bytes, _requests = secured("expired")
    began = timezone.now()
    town.enter(town.sync(), town.people(1000))
    town.beat()
    with time_machine.travel(began + timedelta(hours=8)):
        town.beat()
        housekeeping.beat()
    assert [mail.subject for mail in mailoutbox] == ["People will soon count as errors in Acme"]


def test_a_name_that_is_not_found(town, settings):
    waits_then_goes_on(town, settings, "https://tiktok.invalid")
