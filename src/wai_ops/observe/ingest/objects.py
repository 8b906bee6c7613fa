"""Objects in S3 and in stores that speak its language, R2 among them: listed, then fetched whole.

Credentials come from where AWS's tools look for them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
or a profile. fsspec and s3fs are the extra `[s3]`.
"""

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wai_ops.core.errors import AccessError, RemoteError, UsageError, WaiError
from wai_ops.observe.ingest.sources import S3_SCHEMES, Source
from wai_ops.observe.ingest.spool import unnamed_file

if TYPE_CHECKING:
    import s3fs

_MAGIC = "*?["
_WHERE = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for R2 those of an R2 API token"


def is_object_url(name: str) -> bool:
    """Whether this is an address in an object store."""
    return name.startswith(S3_SCHEMES)


def endpoint_for(
    names: Iterable[str], endpoint_url: str | None, account_id: str | None
) -> str | None:
    """The endpoint that was asked for; for `r2://` that of the account. Raises UsageError."""
    if endpoint_url is not None or not any(name.startswith("r2://") for name in names):
        return endpoint_url
    if account_id is None:
        raise UsageError(
            "r2:// needs the account's id",
            hint="set CLOUDFLARE_ACCOUNT_ID, or give --endpoint-url",
        )
    return f"https://{account_id}.r2.cloudflarestorage.com"


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """One store, opened with the credentials of the environment."""

    files: "s3fs.S3FileSystem"
    endpoint: str

    def find(self, name: str) -> list[Source]:
        """List an object, every object under a prefix, or those that match a glob; by key.

        Raises UsageError when there is none.
        """
        key = name.split("://", 1)[1]
        if "/" not in key.rstrip("/"):
            key = key.rstrip("/") + "/"
        with _translated(name, self.endpoint):
            found = self._list(key)
        sources = [
            Source(
                path=Path(item["name"]),
                name=f"{name.split('://', 1)[0]}://{item['name']}",
                size_bytes=int(item["size"] or 0),
                etag=str(item.get("ETag", "")).strip('"') or None,
            )
            for item in sorted(found, key=lambda item: str(item["name"]))
            if item["type"] == "file" and not item["name"].endswith("/")
        ]
        if not sources:
            raise UsageError(f"{name} matches no object", hint="check the bucket and the prefix")
        return sources

    def fetch(self, source: Source, folder: Path) -> Source:
        """Bring an object into `folder`, if it can be without a name there.

        Raises RemoteError when it is not what was listed.
        """
        key = source.name.split("://", 1)[1]
        with ExitStack() as stack:
            local, held = unnamed_file(folder)
            if held is not None:
                stack.enter_context(held)
            with _translated(source.name, self.endpoint):
                self.files.get_file(key, str(local))
            size = local.stat().st_size
            if size != source.size_bytes:
                raise RemoteError(
                    f"{source.name} came with {size} of {source.size_bytes} bytes",
                    hint="it changed meanwhile: run the import again",
                )
            stack.pop_all()
        return replace(source, path=local, held=held)

    def _list(self, key: str) -> list[dict[str, Any]]:
        bucket, _, prefix = key.partition("/")
        if prefix and not prefix.endswith("/"):
            try:
                item = self.files.info(key)
            except FileNotFoundError:
                pass
            else:
                if item["type"] == "file":
                    return [item]
        if any(mark in prefix for mark in _MAGIC):
            return list(self.files.glob(key, detail=True).values())
        folder, start = posixpath.split(prefix)
        found = self.files.find(posixpath.join(bucket, folder), prefix=start, detail=True)
        return list(found.values())


def open_store(endpoint_url: str | None) -> ObjectStore:
    """Open the store. Raises UsageError that names the extra when it is not installed."""
    try:
        import s3fs
    except ImportError as error:
        raise UsageError(
            "reading from object stores needs the extra s3",
            hint='install it with: pip install "wai-ops[s3]"',
        ) from error
    files = s3fs.S3FileSystem(
        endpoint_url=endpoint_url,
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={"retries": {"max_attempts": 3, "mode": "standard"}, "connect_timeout": 10},
    )
    return ObjectStore(files, endpoint_url or "the default endpoint")


@contextmanager
def _translated(name: str, endpoint: str) -> Iterator[None]:
    """Say in our words what the store answered."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except WaiError:
        raise
    except NoCredentialsError as error:
        raise AccessError(f"no credentials for {name}", hint=_WHERE) from error
    except PermissionError as error:
        raise AccessError(f"{endpoint} refuses access to {name}", hint=_WHERE) from error
    except FileNotFoundError as error:
        raise UsageError(
            f"{name} does not exist", hint="check the bucket and the prefix"
        ) from error
    except (BotoCoreError, ClientError, OSError) as error:
        raise RemoteError(f"cannot read {name} from {endpoint}: {error}") from error
