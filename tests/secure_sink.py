"""A mail server with TLS and a login, with a certificate that nobody trusts unless told to."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .smtp_sink import SmtpSink

PASSWORD = "s:cr@t"
"""In an address it is written `s%3Acr%40t`."""


def write_certificate(path: Path) -> Path:
    """Write a certificate for 127.0.0.1, signed by itself, and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sink")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    made = builder.sign(key, hashes.SHA256())
    hidden = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + hidden)
    return path


def secured(certificate: Path, seen: list[Any]) -> SmtpSink:
    """A mail server with STARTTLS and a login; what it is told goes into `seen`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def authenticate(user: bytes, password: bytes, is_secure: bool) -> bool:
        seen.append((user, password, is_secure))
        return password == PASSWORD.encode()

    return SmtpSink(tls_context=context, authenticate=authenticate)
