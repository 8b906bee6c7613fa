"""The client of the emulator's own endpoints, for commands; the standard library alone."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from wai_ops.core.errors import RemoteError, UsageError
from wai_ops.emulator.endpoint import HOST, Endpoint

_TIMEOUT_S = 30.0


def call(endpoint: Endpoint, method: str, path: str, body: Any = None) -> Any:
    """Ask a running emulator as its operator; returns `result`.

    Raises UsageError when it refuses the request, RemoteError when it does not answer.
    """
    connection = http.client.HTTPConnection(
        HOST, urlsplit(endpoint.base_url).port, timeout=_TIMEOUT_S
    )
    try:
        connection.request(
            method,
            path,
            body=None if body is None else json.dumps(body),
            headers={
                "authorization": f"Bearer {endpoint.tokens['operator']}",
                "content-type": "application/json",
            },
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
        errors = answer["errors"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise RemoteError(
            f"the emulator did not answer: {error}", where=endpoint.base_url
        ) from error
    finally:
        connection.close()
    if response.status >= 500:
        raise RemoteError(errors[0]["message"], where=endpoint.base_url)
    if response.status >= 400:
        raise UsageError(errors[0]["message"])
    return answer["result"]
