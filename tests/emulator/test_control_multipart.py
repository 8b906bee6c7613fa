"""Bodies of several parts come apart as they were put together."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.emulator.control.multipart import MultipartError, is_multipart, parse_multipart

NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
PARTS = st.dictionaries(NAMES, st.binary(max_size=300), min_size=1, max_size=5)


@given(parts=PARTS)
def test_what_a_client_encodes_is_what_is_read(parts: dict[str, bytes]) -> None:
    files = {name: (f"{name}.bin", content, "text/x-python") for name, content in parts.items()}
    request = httpx.Request("POST", "http://127.0.0.1", files=files)
    content_type = request.headers["content-type"]
    assert is_multipart(content_type)
    found = parse_multipart(content_type, request.read())
    assert {part.name: part.content for part in found} == parts
    assert {part.file_name for part in found} == {f"{name}.bin" for name in parts}
    assert {part.content_type for part in found} == {"text/x-python"}


@given(parts=PARTS, data=st.data())
def test_a_body_that_was_cut_off_is_never_taken_for_a_whole_one(
    parts: dict[str, bytes], data: st.DataObject
) -> None:
    request = httpx.Request("POST", "http://127.0.0.1", files=dict(parts))
    body = request.read()
    end = len(body) - len(b"--\r\n")
    cut = data.draw(st.integers(min_value=0, max_value=end))
    with pytest.raises(MultipartError):
        parse_multipart(request.headers["content-type"], body[:cut])


def test_a_type_without_a_boundary_is_refused() -> None:
    with pytest.raises(MultipartError, match="boundary"):
        parse_multipart("multipart/form-data", b"")
    assert not is_multipart("application/json")


def test_a_file_name_in_an_encoding_of_its_own_is_not_taken_for_a_name() -> None:
    disposition = b"Content-Disposition: form-data; name=\"a\"; filename*=UTF-8''%E2%82%AC"
    body = b"--b\r\n" + disposition + b"\r\n\r\nx\r\n--b--\r\n"
    (part,) = parse_multipart("multipart/form-data; boundary=b", body)
    assert (part.name, part.file_name, part.content) == ("a", "", b"x")
