"""Embeddings: both shapes, the right sizes, and vectors that mean something to a test."""

import base64
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.api import OPENAI_MODEL, Api
from wai_ops.emulator.backends.vectors import DIMENSIONS, cosine, embed

M3 = "@cf/baai/bge-m3"
SMALL = "@cf/baai/bge-small-en-v1.5"
QWEN = "@cf/qwen/qwen3-embedding-0.6b"


def openai_embeddings(api: Api, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return api.http.post(
        api.url("/ai/v1/embeddings"), json=body, headers=api.auth("runtime") | (headers or {})
    )


@given(st.text(min_size=1, max_size=40), st.sampled_from(sorted(DIMENSIONS)))
def test_a_vector_is_of_length_one_and_always_the_same(text: str, model: str) -> None:
    """And as long as the model's own."""
    vector = embed(text, model)
    assert len(vector) == DIMENSIONS[model]
    assert math.isclose(sum(value * value for value in vector), 1.0, abs_tol=1e-4)
    assert vector == embed(text, model)


def test_texts_that_share_words_are_near_and_others_are_not() -> None:
    """Enough for a test of retrieval to find the right document."""
    asked = embed("how do I reset my password", SMALL)
    near = embed("reset the password in your settings", SMALL)
    far = embed("quarterly revenue grew in the north", SMALL)
    assert cosine(asked, near) > 0.3
    assert abs(cosine(asked, far)) < 0.15
    assert embed("a", SMALL)[:5] != embed("a", "@cf/baai/bge-base-en-v1.5")[:5]


@pytest.mark.parametrize(("model", "size"), sorted(DIMENSIONS.items()))
def test_openais_shape_has_an_item_for_each_text(api: Api, model: str, size: int) -> None:
    """With the usage of all of them."""
    answer = openai_embeddings(api, model=model, input=["one text", "and another one"])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [item["index"] for item in body["data"]] == [0, 1]
    assert {len(item["embedding"]) for item in body["data"]} == {size}
    assert body["object"] == "list"
    assert body["model"] == model
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0


def test_base64_holds_the_same_numbers(api: Api) -> None:
    """OpenAI's package asks for it without being told."""
    plain = openai_embeddings(api, model=M3, input="Hi").json()["data"][0]["embedding"]
    coded = openai_embeddings(api, model=M3, input="Hi", encoding_format="base64").json()
    raw = base64.b64decode(coded["data"][0]["embedding"])
    assert struct.unpack("<1024f", raw) == pytest.approx(plain, abs=1e-7)


def test_the_native_shape_has_shape_data_and_pooling(api: Api) -> None:
    """One text or many, in the envelope."""
    for text, count in (("Hi", 1), (["Hi", "there"], 2)):
        result = api.run({"text": text}, model=SMALL).json()["result"]
        assert result["shape"] == [count, 384]
        assert [len(vector) for vector in result["data"]] == [384] * count
        assert result["pooling"] == "mean"
    assert (
        api.run({"text": "a", "pooling": "cls"}, model=SMALL).json()["result"]["pooling"] == "cls"
    )


def test_contexts_are_scored_against_a_query(api: Api) -> None:
    """The one that shares the query's words comes out best."""
    contexts = [{"text": "the cat sat on the mat"}, {"text": "stocks fell sharply today"}]
    body = {"query": "where is the cat", "contexts": contexts}
    scores = api.run(body, model=M3).json()["result"]["response"]
    assert [item["id"] for item in scores] == [0, 1]
    assert scores[0]["score"] > scores[1]["score"]


def test_queries_and_documents_of_qwen_differ_by_the_instruction(api: Api) -> None:
    """The same text is not the same vector."""
    one = api.run({"documents": ["x y"]}, model=QWEN).json()["result"]
    two = api.run({"queries": ["x y"], "instruction": "Find it"}, model=QWEN).json()["result"]
    assert one["shape"] == two["shape"] == [1, 1024]
    assert one["data"] != two["data"]


@pytest.mark.parametrize(
    ("body", "model", "code"),
    [
        ({}, M3, 8001),
        ({"text": ""}, M3, 8001),
        ({"text": []}, M3, 8001),
        ({"text": ["a"] * 101}, M3, 8001),
        ({"text": [1]}, M3, 8001),
        ({"text": "a", "pooling": "max"}, M3, 8001),
        ({"text": "a", "truncate_inputs": 1}, M3, 8001),
        ({"query": "", "contexts": [{"text": "a"}]}, M3, 8001),
        ({"query": "a", "contexts": {}}, M3, 8001),
        ({"text": "a b " * 20_000}, QWEN, 5021),
        ({"documents": ["a"] * 33}, QWEN, 8001),
        ({"instruction": "a"}, QWEN, 8001),
    ],
)
def test_what_does_not_fit_is_refused(api: Api, body: Any, model: str, code: int) -> None:
    """With the code of its reason."""
    answer = api.run(body, model=model)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == code


def test_truncation_is_only_on_request(api: Api) -> None:
    """`truncate_inputs` cuts at the context instead of refusing."""
    text = "a b " * 40_000
    assert api.run({"text": text}, model=M3).json()["errors"][0]["code"] == 5021
    assert api.run({"text": text, "truncate_inputs": True}, model=M3).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"model": M3},
        {"model": M3, "input": [[1, 2]]},
        {"model": M3, "input": "a", "encoding_format": "int8"},
        {"model": M3, "input": "a", "dimensions": 7},
        {"model": OPENAI_MODEL, "input": "a"},
        {"input": "a"},
    ],
)
def test_a_wrong_openai_request_is_refused(api: Api, body: Any) -> None:
    """Also a model that makes no embeddings."""
    assert openai_embeddings(api, **body).status_code == 400


def test_a_model_of_embeddings_does_not_chat(api: Api) -> None:
    """The message says what it does do."""
    answer = api.chat(model=M3)
    assert answer.status_code == 400
    assert "text embeddings" in answer.json()["errors"][0]["message"]


def test_a_call_through_the_gateway_is_a_priced_row(api: Api) -> None:
    """Input tokens alone cost something."""
    headers = {"cf-aig-gateway-id": "default"}
    answer = openai_embeddings(api, headers, model=M3, input="some words to embed")
    row = api.row_of(answer)
    assert row["tokens_in"] == answer.json()["usage"]["prompt_tokens"]
    assert row["tokens_out"] == 0
    assert float(row["cost"]) > 0
