"""Web servers on loopback with certificates of a CA of their own, and what they were asked.

Also: who opens sockets. A Python audit hook sees every connect of this process, whatever library
makes it.
"""

import ipaddress
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
_NOT_AFTER = datetime(2060, 1, 1, tzinfo=UTC)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make its key and its certificate, `ca.pem`."""
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def client_context(self) -> ssl.SSLContext:
        """A context that believes this authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=self.ca_file)
        return context

    def server_context(self, *names: str) -> ssl.SSLContext:
        """A context for a server of these names (or addresses)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = (
            self._builder(subject, key)
            .add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        file = self.folder / f"{names[0].replace('*', '_')}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOT_BEFORE)
            .not_valid_after(_NOT_AFTER)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
            )
        )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Seen:
    """One line of a server's own access log."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    server_name: str | None
    """What TLS was asked for (SNI)."""


@dataclass
class Reply:
    """What a server answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"


Answerer = Callable[[Seen], Reply]


@dataclass
class WebServer:
    """A running server and its access log."""

    port: int
    scheme: str
    log: list[Seen]

    def url(self, host: str, path: str = "/") -> str:
        """A URL of this server under a name."""
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def web_server(answer: Answerer, tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """Serve until the block ends."""
    log: list[Seen] = []
    asked_names: dict[Any, str | None] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            seen = Seen(
                self.command,
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
                asked_names.get(self.client_address),
            )
            log.append(seen)
            reply = answer(seen)
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)
            except OSError:
                self.close_connection = True  # the client had enough, which some tests are about

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = handle_any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            if tls is not None:
                names: list[str | None] = []
                context = tls
                context.sni_callback = lambda _, name, __: names.append(name)
                try:
                    request = context.wrap_socket(request, server_side=True)
                except OSError:
                    return  # the client did not believe the certificate
                asked_names[client_address] = names[0] if names else None
            with request:
                super().finish_request(request, client_address)

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that goes away is no error here."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield WebServer(server.server_port, "https" if tls else "http", log)
        finally:
            server.shutdown()
            thread.join()


_watchers: list[list[tuple[str, Any]]] = []
_is_hooked = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") and _watchers:
        what = args[1] if event != "socket.getaddrinfo" else args[:2]
        for watcher in _watchers:
            watcher.append((event, what))


@contextmanager
def watched_sockets() -> Iterator[list[tuple[str, Any]]]:
    """Collect the connects and name lookups of this process, as (audit event, where to)."""
    global _is_hooked  # noqa: PLW0603 - an audit hook can never be taken out again
    if not _is_hooked:
        sys.addaudithook(_hook)
        _is_hooked = True
    seen: list[tuple[str, Any]] = []
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)


def connects(seen: list[tuple[str, Any]]) -> list[Any]:
    """The addresses that were connected to."""
    return [where for event, where in seen if event == "socket.connect"]
