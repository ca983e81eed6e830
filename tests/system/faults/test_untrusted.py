"""F46: TikTok's name is not found or its certificate is invalid: nothing is sent unencrypted."""

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
from tests.system.faults.checked_world import PRODUCTION_TIMES

pytestmark = pytest.mark.thorough

TLS_HANDSHAKE = 0x16


class Issuer:
    """A certificate authority that the client trusts."""

    def __init__(self, folder):
        self.folder, self.now = folder, datetime.now(UTC)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our own authority")])
        self.write("authority.pem", self.sign(self.name, self.key, "authority", is_authority=True))

    def write(self, name, *certificates, key=None):
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) if key else b""
        (self.folder / name).write_bytes(
            private + b"".join(certificate.public_bytes(pem) for certificate in certificates)
        )
        return self.folder / name

    def sign(self, subject, key, host, *, days=9, by=None, is_authority=False):
        """Return a certificate for ``host`` that expires in ``days``.

        ``by``: the key that signs it, if not that of the authority.
        """
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if by else self.name)
        )
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(self.now - timedelta(days=9)).not_valid_after(
            self.now + timedelta(days=days)
        )
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        )
        builder = builder.add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
        )
        return builder.sign(by or self.key, hashes.SHA256())


CERTIFICATES = {
    "good": {},
    "expired": {"days": -1},
    "of another host": {"host": "example.org"},
    "signed by itself": {},
}


@pytest.fixture
def tls_server(tmp_path, monkeypatch):
    """tls_server(kind) -> its URL, and two lists with an item per connection.

    The first list has the first byte on the wire, the second one the first ten decrypted bytes.
    """
    issuer, listeners = Issuer(tmp_path), []
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "authority.pem"))

    def start_server(kind):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        by = key if kind == "signed by itself" else None
        certificate = issuer.sign(name, key, **{"host": "localhost"} | CERTIFICATES[kind], by=by)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issuer.write("both.pem", certificate, key=key))
        listeners.append(socket.create_server(("127.0.0.1", 0)))
        first_bytes, requests = [], []
        threading.Thread(
            target=serve, args=(listeners[-1], context, first_bytes, requests), daemon=True
        ).start()
        return f"https://localhost:{listeners[-1].getsockname()[1]}", first_bytes, requests

    yield start_server
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def serve(listener, context, first_bytes, requests):
    while True:
        try:
            caller, _address = listener.accept()
            first_bytes.append(caller.recv(1, socket.MSG_PEEK)[0])
            with context.wrap_socket(caller, server_side=True) as tls_server:
                requests.append(tls_server.recv(10))
        except ssl.SSLError:
            continue
        except OSError:
            return


def assert_people_wait_for_a_good_address(world, settings, address):
    """Assert that requests to ``address`` have an unknown outcome and people are sent later."""
    good, settings.TIKTOK_API_URL = settings.TIKTOK_API_URL, address
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(1000))
    world.beat_until(Push.objects.exists)
    assert world.counts(to_sync) == {"entered": 1000, "pending": 1000}
    assert set(Push.objects.values_list("code", flat=True)) == {"no_answer"}
    assert world.mappings() == []
    settings.TIKTOK_API_URL = good
    world.drain()
    assert world.counts(to_sync) == {"entered": 1000, "synced": 1000}
    world.check_at_rest()


@pytest.mark.parametrize("kind", [kind for kind in CERTIFICATES if kind != "good"])
def test_an_invalid_certificate_is_refused(world, settings, tls_server, kind):
    address, first_bytes, requests = tls_server(kind)
    assert_people_wait_for_a_good_address(world, settings, address)
    assert set(first_bytes) == {TLS_HANDSHAKE}
    assert b"".join(requests) == b""


def test_a_valid_certificate_is_accepted(world, settings, tls_server):
    # This server never answers. It shows that the others are refused because of the certificate.
    address, _first_bytes, requests = tls_server("good")
    assert_people_wait_for_a_good_address(world, settings, address)
    assert set(requests) == {b"POST /open"}


def test_an_admin_is_mailed_before_the_deadline(
    world, set_sync_times, settings, tls_server, alice, mailoutbox
):
    set_sync_times(**PRODUCTION_TIMES)
    settings.TIKTOK_API_URL, _first_bytes, _requests = tls_server("expired")
    started = timezone.now()
    world.enter(world.create_sync(), world.create_people(1000))
    world.beat()
    with time_machine.travel(started + timedelta(hours=8)):
        world.beat()
        housekeeping.beat()
    assert [mail.subject for mail in mailoutbox] == ["People will soon count as errors in Acme"]


def test_people_wait_while_the_name_is_not_found(world, settings):
    assert_people_wait_for_a_good_address(world, settings, "https://tiktok.invalid")
