"""Anchors in R2 and other stores that speak S3's language, written on condition of their version.

Credentials come from where AWS's tools look for them. botocore comes with the extra `[s3]`.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wai_ops.control.decisions.anchor import MAX_BYTES, Anchored, grown
from wai_ops.control.decisions.checkpoint import Checkpoint
from wai_ops.control.decisions.note import VerifierKey
from wai_ops.core.errors import AccessError, DataError, RemoteError, UsageError

_TRIES = 5
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_CHANGED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401", "403"}
_WHERE = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for R2 those of an R2 API token"


def anchor_object(
    url: str,
    endpoint_url: str | None,
    folder: Path,
    newer: tuple[Checkpoint, bytes],
    keys: Collection[VerifierKey],
) -> Anchored:
    """Keep a checkpoint in an object store, never over one that appeared meanwhile.

    Raises DataError when what is there is no beginning of the log; RemoteError, AccessError and
    UsageError for what the store says.
    """
    at, note = newer
    store = _Object(url, endpoint_url)
    for _ in range(_TRIES):
        found = store.read()
        was = None if found is None else grown(url, found[0], folder, at, keys)
        if was == at.size or store.write(note, None if found is None else found[1]):
            return Anchored(place=url, size=at.size, was=was)
    raise RemoteError(f"{url} changed again and again meanwhile", hint="try again in a while")


def read_anchor_object(url: str, endpoint_url: str | None) -> bytes:
    """The content of an anchor. Raises UsageError when there is none, RemoteError, AccessError."""
    found = _Object(url, endpoint_url).read()
    if found is None:
        raise UsageError(f"{url} does not exist", hint="check the bucket and the key")
    return found[0]


class _Object:
    """One object, read with its version and written on condition of it."""

    def __init__(self, url: str, endpoint_url: str | None) -> None:
        bucket, _, key = url.split("://", 1)[1].partition("/")
        if not bucket or not key or key.endswith("/"):
            raise UsageError(f"{url} names no object", hint="write r2://bucket/key")
        try:
            from botocore.config import Config
            from botocore.session import get_session
        except ImportError as error:
            raise UsageError(
                "anchors in object stores need the extra s3",
                hint='install it with: pip install "wai-ops[s3]"',
            ) from error
        self._url = url
        self._name = {"Bucket": bucket, "Key": key}
        config = Config(
            retries={"max_attempts": 3, "mode": "standard"}, connect_timeout=10, read_timeout=30
        )
        with _translated(url):
            self._client = get_session().create_client(
                "s3", endpoint_url=endpoint_url, config=config, region_name=_region(endpoint_url)
            )

    def read(self) -> tuple[bytes, str] | None:
        """The content and its version, of one answer; None when there is none."""
        from botocore.exceptions import ClientError

        with _translated(self._url):
            try:
                found = self._client.get_object(**self._name)
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
            with found["Body"] as body:
                content: bytes = body.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise DataError("what is there is no checkpoint", where=self._url)
        return content, str(found["ETag"])

    def write(self, content: bytes, etag: str | None) -> bool:
        """Write if the object is still of that version (None: still absent); say whether."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        kind = "text/plain; charset=utf-8"
        with _translated(self._url):
            try:
                self._client.put_object(**self._name, Body=content, ContentType=kind, **condition)
            except ClientError as error:
                if _code(error) in _CHANGED:
                    return False
                raise
        return True


def _region(endpoint_url: str | None) -> str | None:
    """R2 has one region; elsewhere the environment says which."""
    is_r2 = endpoint_url is not None and endpoint_url.endswith(".r2.cloudflarestorage.com")
    return "auto" if is_r2 else None


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Say in our words what the store answered."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
    )

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise AccessError(f"no credentials for {url}", hint=_WHERE) from error
    except ClientError as error:
        if _code(error) in _REFUSED:
            raise AccessError(f"the store refuses access to {url}", hint=_WHERE) from error
        raise RemoteError(f"cannot use {url}: {error}") from error
    except (BotoCoreError, OSError) as error:
        raise RemoteError(f"cannot reach {url}: {error}") from error
