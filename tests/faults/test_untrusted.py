"""F46: TikTok's name is not found, or its certificate is expired: an unknown outcome, nothing is sent in the clear."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from partners.models import Push

TLS_HANDSHAKE = 0x16


@pytest.fixture
def expired(tmp_path):
    """A server whose certificate nobody vouches for and that ended yesterday; the first byte of each caller."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = made.sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "both.pem").write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    listener, first_bytes, requests = socket.create_server(("127.0.0.1", 0)), [], []

    def serve():
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

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://localhost:{listener.getsockname()[1]}", first_bytes, requests
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


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


def test_an_expired_certificate(town, settings, expired):
    address, first_bytes, requests = expired
    waits_then_goes_on(town, settings, address)
    assert set(first_bytes) == {TLS_HANDSHAKE}
    assert b"".join(requests) == b""


def test_a_name_that_is_not_found(town, settings):
    waits_then_goes_on(town, settings, "https://tiktok.invalid")
