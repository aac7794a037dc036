"""A server for others: a real process with TLS, asked over the network of this machine."""

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.access import ADMIN_KEY

SECONDS = 60


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


@pytest.fixture
def served(tmp_path: Path, certificate: tuple[Path, Path]) -> Iterator[tuple[str, list[str]]]:
    """Where it is, and what it said."""
    data = tmp_path / "data"
    words = ["serve", "--data", data, "--host", "0.0.0.0", "--port", "0", "--set", "hosts=localhost"]
    words += ["--set", f"tls.certificate={certificate[0]}", "--set", f"tls.key={certificate[1]}"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "server.cli", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout
    try:
        said = [process.stdout.readline() for _ in range(3)]
        yield said[0].split()[-1], said
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)
        process.stdout.close()


def test_a_server_for_others(served: tuple[str, list[str]], certificate: tuple[Path, Path], tmp_path: Path) -> None:
    """Its first words are where the administrator's key is; with it, and over TLS, it answers, also the commands."""
    url, said = served
    data = tmp_path / "data"
    assert url.startswith("https://localhost:")
    assert said[2] == f"requests need a key; the administrator's is in {data / ADMIN_KEY}\n"
    trusted = ssl.create_default_context(cafile=certificate[0])
    key = (data / ADMIN_KEY).read_text("ascii").strip()
    with httpx.Client(verify=trusted, trust_env=False) as http:
        assert http.post(url, json={"query": "{ me { role } }"}).status_code == 401
        answer = http.post(url, json={"query": "{ me { role } }"}, headers={"authorization": f"Bearer {key}"})
        assert answer.json() == {"data": {"me": {"role": "ADMIN"}}}
        with pytest.raises(httpx.HTTPError):
            http.post(url.replace("https", "http"), json={"query": "{ position }"})
    environ = os.environ | {"SSL_CERT_FILE": str(certificate[0])}
    told = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", "keys", "list", "--data", str(data)],
        env=environ, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (told.returncode, "admin.key" in told.stdout) == (0, True), told.stderr
