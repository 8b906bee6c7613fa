"""Bodies of answers: cut at the limit while they arrive, and while they are decoded."""

import zlib
from collections.abc import Iterable

from wai_ops.control.outbound.limits import OutboundFailure
from wai_ops.core.failures import FailureClass

_GZIP, _ZLIB, _RAW = 31, 15, -15


def read_body(chunks: Iterable[bytes], kept: bytearray, *, max_bytes: int, encoding: str) -> bool:
    """Read at most `max_bytes`, decoded, into `kept`, and say whether there was more.

    What comes after the limit is not read any more. `encoding`: of the header content-encoding.
    None is asked for, but some servers compress all the same. Raises OutboundFailure for encodings
    that are not known and data that does not fit them; `kept` holds what came before.
    """
    match encoding.strip().lower():
        case "" | "identity":
            pieces = chunks
        case "gzip" | "x-gzip":
            pieces = _inflated(chunks, _GZIP, max_bytes)
        case "deflate":
            pieces = _inflated(chunks, _ZLIB, max_bytes)
        case _:
            raise OutboundFailure(
                FailureClass.STREAM_MALFORMED, "the answer has an encoding that nobody asked for"
            )
    for piece in pieces:
        room = max_bytes - len(kept)
        kept += piece[:room]
        if len(piece) > room:
            return True
    return False


def _inflated(chunks: Iterable[bytes], form: int, max_bytes: int) -> Iterable[bytes]:
    """Yield decoded pieces of at most `max_bytes` + 1: a bomb never unfolds.

    What follows the end of the compressed data is left out, as browsers do.
    """
    inflater = None
    try:
        for chunk in filter(None, chunks):
            if inflater is None:
                if form == _ZLIB and chunk[0] & 0x0F != zlib.DEFLATED:
                    form = _RAW  # what many servers send as deflate
                inflater = zlib.decompressobj(form)
            rest = chunk
            while rest and not inflater.eof:
                yield inflater.decompress(rest, max_bytes + 1)
                rest = inflater.unconsumed_tail
    except zlib.error as error:
        raise OutboundFailure(
            FailureClass.STREAM_MALFORMED, "the answer cannot be decompressed"
        ) from error
    if inflater is not None and not inflater.eof:
        raise OutboundFailure(FailureClass.STREAM_TRUNCATED, "the compressed answer has no end")
