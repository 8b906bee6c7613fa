"""Whose certificates are believed."""

import ssl
from collections.abc import Mapping

import certifi

from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Make a context that checks names and certificates, with TLS 1.2 at least.

    SSL_CERT_FILE and SSL_CERT_DIR name other authorities than the usual ones, as they do for model
    calls. Nothing else of the environment counts. Raises UsageError when they cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if file or folder:
        try:
            context.load_verify_locations(cafile=file or None, capath=folder or None)
        except OSError as error:
            raise UsageError(
                "the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read",
                where=one_line(file or folder or ""),
                hint="name a file of PEM certificates, or unset the variable",
            ) from error
    else:
        context.load_verify_locations(cafile=certifi.where())
    return context


def check_trust(context: ssl.SSLContext) -> None:
    """Raise ValueError for a context that would believe anybody."""
    if not context.check_hostname or context.verify_mode is not ssl.CERT_REQUIRED:
        raise ValueError("the TLS context must check names and certificates")
