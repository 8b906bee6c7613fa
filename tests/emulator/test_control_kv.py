"""KV namespaces and pairs, over the wire."""

import base64
import json
from pathlib import Path
from typing import Any

import cloudflare
import httpx
import pytest

from emulator.api import Api
from emulator.operating import Operator, refusal, result
from wai_ops.emulator.server import embedded

PATH = "/storage/kv/namespaces"


@pytest.fixture
def operator(api: Api) -> Operator:
    return Operator(api)


@pytest.fixture
def space(operator: Operator, request: pytest.FixtureRequest) -> str:
    """The path of a new namespace, one a test."""
    made = result(operator.post(PATH, {"title": request.node.name}))
    return f"{PATH}/{made['id']}"


def put(operator: Operator, path: str, value: bytes, **rest: Any) -> httpx.Response:
    return operator.send("PUT", path, content=value, **rest)


def keys(operator: Operator, space: str, **params: Any) -> tuple[list[str], str]:
    """The names of one page, and the cursor of the next."""
    answer = operator.get(f"{space}/keys", **params)
    names = [key["name"] for key in result(answer)]
    info = answer.json()["result_info"]
    assert info["count"] == len(names)
    return names, info["cursor"]


def test_a_namespace_is_created_renamed_listed_and_deleted(operator: Operator) -> None:
    made = result(operator.post(PATH, {"title": "one", "jurisdiction": "eu"}))
    assert made == {
        "id": made["id"],
        "title": "one",
        "jurisdiction": "eu",
        "supports_url_encoding": True,
    }
    one = f"{PATH}/{made['id']}"
    assert refusal(operator.post(PATH, {"title": "one"}))[:2] == (400, 10014)
    assert result(operator.put(one, {"title": "two"}))["title"] == "two"
    assert result(operator.get(one))["title"] == "two"
    titles = [row["title"] for row in result(operator.get(PATH, order="title", direction="desc"))]
    assert titles == sorted(titles, reverse=True)
    assert "two" in titles
    assert result(operator.delete(one)) == {}
    assert refusal(operator.get(one))[:2] == (404, 10013)


def test_bytes_come_back_as_they_were(operator: Operator, space: str) -> None:
    value = bytes(range(256)) * 100
    assert result(put(operator, f"{space}/values/raw", value)) == {}
    answer = operator.get(f"{space}/values/raw")
    assert (answer.content, answer.headers["content-type"]) == (value, "application/octet-stream")
    assert "expiration" not in answer.headers


@pytest.mark.parametrize("key", ["a/b/c", "a%2Fb", "with space", "ü€😀", "?&#:", "k" * 512])
def test_a_key_may_be_any_text_of_512_bytes(operator: Operator, space: str, key: str) -> None:
    path = f"{space}/values/{httpx.QueryParams({'': key}).__str__()[1:].replace('+', '%20')}"
    put(operator, path, b"v")
    assert operator.get(path).content == b"v"
    assert keys(operator, space)[0] == [key]


def test_what_no_key_can_be_is_refused(operator: Operator, space: str) -> None:
    for key in ("k" * 513, "%2E%2E", "a%00b"):
        assert put(operator, f"{space}/values/{key}", b"v").status_code in (400, 404)
    assert keys(operator, space) == ([], "")


def test_metadata_comes_in_parts_and_is_read_apart(operator: Operator, space: str) -> None:
    parts = {"value": (None, b"\r\n--raw\r\n"), "metadata": (None, '{"tier":"gold"}')}
    answer = operator.send("PUT", f"{space}/values/m", files=parts)
    assert answer.status_code == 200, answer.text
    assert operator.get(f"{space}/values/m").content == b"\r\n--raw\r\n"
    assert result(operator.get(f"{space}/metadata/m")) == {"tier": "gold"}
    (key,) = result(operator.get(f"{space}/keys"))
    assert key == {"name": "m", "metadata": {"tier": "gold"}}
    put(operator, f"{space}/values/m", b"again")
    assert result(operator.get(f"{space}/metadata/m")) is None


@pytest.mark.parametrize(
    "parts",
    [
        {"value": (None, b"v"), "metadata": (None, "{not json")},
        {"value": (None, b"v"), "metadata": (None, json.dumps("x" * 1025))},
        {"metadata": (None, "{}")},
    ],
)
def test_parts_that_do_not_fit_are_refused(operator: Operator, space: str, parts: Any) -> None:
    assert operator.send("PUT", f"{space}/values/m", files=parts).status_code == 400
    assert keys(operator, space)[0] == []


def test_a_pair_is_gone_when_it_has_expired(operator: Operator, space: str) -> None:
    path = f"{space}/values/brief"
    put(operator, path, b"v", params={"expiration_ttl": "60", "expiration": "1"})
    answer = operator.get(path)
    assert int(answer.headers["expiration"]) > 1_700_000_000
    assert refusal(put(operator, path, b"v", params={"expiration_ttl": "59"}))[0] == 400
    assert refusal(put(operator, path, b"v", params={"expiration": "1578435000"}))[0] == 400


def test_what_is_not_there_is_10009_and_may_be_deleted(operator: Operator, space: str) -> None:
    for path in (f"{space}/values/none", f"{space}/metadata/none"):
        assert refusal(operator.get(path))[:2] == (404, 10009)
    assert result(operator.delete(f"{space}/values/none")) == {}
    missing = f"{PATH}/{'0' * 32}"
    for path in (f"{missing}/values/x", f"{missing}/keys"):
        assert refusal(operator.get(path))[:2] == (404, 10013)


def test_keys_come_by_prefix_and_cursor_in_the_order_of_their_bytes(
    operator: Operator, space: str
) -> None:
    names = [f"p{number:02}" for number in range(25)] + ["other", "ä"]
    pairs = [{"key": name, "value": name} for name in names]
    assert result(operator.put(f"{space}/bulk", pairs))["successful_key_count"] == 27
    everything, end = keys(operator, space)
    assert (everything, end) == (sorted(names, key=lambda name: name.encode()), "")
    first, cursor = keys(operator, space, prefix="p", limit=10)
    second, cursor = keys(operator, space, prefix="p", limit=10, cursor=cursor)
    third, end = keys(operator, space, prefix="p", limit=10, cursor=cursor)
    assert first + second + third == names[:25]
    assert end == ""
    for limit in ("9", "1001", "x"):
        assert refusal(operator.get(f"{space}/keys", limit=limit))[0] == 400
    assert refusal(operator.get(f"{space}/keys", cursor="nonsense!"))[0] == 400


def test_bulk_writes_all_or_nothing(operator: Operator, space: str) -> None:
    raw = base64.b64encode(b"\xff\x00").decode()
    pairs = [
        {"key": "a", "value": "1", "metadata": {"n": 1}, "expiration_ttl": 3600},
        {"key": "b", "value": raw, "base64": True},
    ]
    assert result(operator.put(f"{space}/bulk", pairs)) == {
        "successful_key_count": 2,
        "unsuccessful_keys": [],
    }
    assert operator.get(f"{space}/values/b").content == b"\xff\x00"
    bad = [{"key": "c", "value": "1"}, {"key": "d", "value": 1}]
    assert refusal(operator.put(f"{space}/bulk", bad))[0] == 400
    assert keys(operator, space)[0] == ["a", "b"]
    assert refusal(operator.put(f"{space}/bulk", [{"key": "k", "value": ""}] * 10_001))[0] == 400


def test_bulk_get_reads_values_metadata_and_gaps(operator: Operator, space: str) -> None:
    pairs = [{"key": "a", "value": '{"x":1}', "metadata": {"n": 1}}, {"key": "b", "value": "2"}]
    operator.put(f"{space}/bulk", pairs)

    def values(**body: Any) -> Any:
        return result(operator.post(f"{space}/bulk/get", {"keys": ["a", "b", "c"], **body}))[
            "values"
        ]

    assert values() == {"a": '{"x":1}', "b": "2", "c": None}
    assert values(type="json") == {"a": {"x": 1}, "b": 2, "c": None}
    assert values(withMetadata=True) == {
        "a": {"value": '{"x":1}', "metadata": {"n": 1}},
        "b": {"value": "2", "metadata": None},
        "c": None,
    }
    too_many = {"keys": [str(number) for number in range(101)]}
    assert refusal(operator.post(f"{space}/bulk/get", too_many))[0] == 400


def test_bulk_delete_takes_many(operator: Operator, space: str) -> None:
    operator.put(f"{space}/bulk", [{"key": key, "value": ""} for key in "abc"])
    deleted = result(operator.post(f"{space}/bulk/delete", ["a", "c", "z"]))
    assert deleted["successful_key_count"] == 3
    assert keys(operator, space)[0] == ["b"]


def test_one_write_a_second_to_a_key_when_the_knob_says_so(fresh: Api) -> None:
    operator = Operator(fresh)
    space = f"{PATH}/{result(operator.post(PATH, {'title': 'slow'}))['id']}"
    assert [put(operator, f"{space}/values/k", b"v").status_code for _ in range(2)] == [200, 200]
    knobs = fresh.endpoint.base_url.replace("/client/v4", "/__wai/knobs")
    changed = fresh.http.patch(
        knobs, json={"limits.kv_write_rate": True}, headers=fresh.auth("operator")
    )
    assert changed.status_code == 200, changed.text
    answers = [put(operator, f"{space}/values/k", b"v").status_code for _ in range(2)]
    assert answers[-1] == 429
    assert put(operator, f"{space}/values/another", b"v").status_code == 200
    pairs = [{"key": "k", "value": "v"}, {"key": "new", "value": "v"}]
    assert result(operator.put(f"{space}/bulk", pairs)) == {
        "successful_key_count": 1,
        "unsuccessful_keys": ["k"],
    }


def test_pairs_survive_a_restart_and_go_with_their_namespace(tmp_path: Path, api: Api) -> None:
    with embedded(tmp_path) as endpoint:
        operator = Operator(Api(endpoint, api.http))
        made = result(operator.post(PATH, {"title": "kept"}))
        space = f"{PATH}/{made['id']}"
        put(operator, f"{space}/values/k", b"v")
    with embedded(tmp_path) as endpoint:
        operator = Operator(Api(endpoint, api.http))
        assert operator.get(f"{space}/values/k").content == b"v"
        operator.delete(space)
        assert refusal(operator.get(f"{space}/values/k"))[:2] == (404, 10013)


def test_reading_and_writing_are_two_permissions(operator: Operator, space: str) -> None:
    assert operator.send("GET", f"{space}/keys", role="reader").status_code == 403
    assert put(operator, f"{space}/values/k", b"v", role="runtime").status_code == 403


def test_the_official_client_writes_and_reads(operator: Operator) -> None:
    endpoint = operator.api.endpoint
    with cloudflare.Cloudflare(
        base_url=endpoint.base_url, api_token=endpoint.tokens["operator"]
    ) as client:
        account: Any = {"account_id": endpoint.account_id}
        space = client.kv.namespaces.create(**account, title="sdk")
        assert space is not None
        place: Any = {**account, "namespace_id": space.id}
        client.kv.namespaces.values.update("a/b", **place, value=b"one", expiration_ttl=600)
        client.kv.namespaces.bulk_update(
            **place, body=[{"key": f"k{number:02}", "value": "v"} for number in range(30)]
        )
        assert client.kv.namespaces.values.get("a/b", **place).read() == b"one"
        names = [key.name for key in client.kv.namespaces.keys.list(**place, limit=10)]
        assert names == ["a/b", *(f"k{number:02}" for number in range(30))]
