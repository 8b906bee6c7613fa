"""The small pure parts of the gateway: ids, windows, the cache, options."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.emulator.gateway.log_ids import LogIds
from wai_ops.emulator.gateway.options import Retries, read_retries
from wai_ops.emulator.gateway.rate_limit import RateLimits
from wai_ops.emulator.gateway.response_cache import CachedAnswer, ResponseCache, cache_key

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_ids_rise_within_a_millisecond_and_stay_uuids_of_version_7() -> None:
    ids = LogIds()
    taken = [ids.take(NOW) for _ in range(5000)]
    assert taken == sorted(set(taken))
    assert {UUID(log_id).version for log_id in taken} == {7}
    assert {UUID(log_id).variant for log_id in taken} == {UUID(taken[0]).variant}


def test_ids_rise_when_the_clock_goes_back_and_when_there_is_no_room() -> None:
    ids = LogIds()
    ids._last = "01a20000-0000-7fff-bfff-ffffffffffff"
    later = ids.take(datetime(2020, 1, 1, tzinfo=UTC))
    assert later > "01a20000-0000-7fff-bfff-ffffffffffff"
    assert UUID(later).version == 7


@pytest.mark.parametrize("technique", ["fixed", "sliding"])
@given(
    times=st.lists(st.floats(0, 500, allow_nan=False), min_size=1, max_size=60).map(sorted),
    limit=st.integers(1, 5),
)
def test_no_interval_lets_more_through_than_the_limit(
    technique: str, times: list[float], limit: int
) -> None:
    limits = RateLimits()
    passed = [
        at
        for at in times
        if limits.admit("g", limit=limit, interval_s=60, technique=technique, at=at)
    ]
    assert passed[:limit] == times[: min(limit, len(passed))]
    for at in passed:
        if technique == "fixed":
            assert sum(int(other // 60) == int(at // 60) for other in passed) <= limit
        else:
            assert sum(at - 60 < other <= at for other in passed) <= limit


@pytest.mark.parametrize(("limit", "interval_s"), [(0, 60), (None, 60), (5, 0), (5, None)])
def test_no_limit_or_no_interval_lets_everything_through(
    limit: int | None, interval_s: int | None
) -> None:
    limits = RateLimits()
    assert all(
        limits.admit("g", limit=limit, interval_s=interval_s, technique="fixed", at=0.0)
        for _ in range(10)
    )


def test_a_fixed_window_starts_again_and_gateways_do_not_share_one() -> None:
    limits = RateLimits()

    def admit(gateway: str, at: float) -> bool:
        return limits.admit(gateway, limit=1, interval_s=60, technique="fixed", at=at)

    assert [admit("a", 59), admit("a", 59.9), admit("a", 60), admit("b", 60)] == [
        True,
        False,
        True,
        True,
    ]


def answer(size: int) -> CachedAnswer:
    return CachedAnswer(
        content_type="application/json", body=b"x" * size, model="m", provider="p", step=0
    )


def test_a_cached_answer_goes_when_its_time_has_come() -> None:
    cache = ResponseCache()
    cache.put(b"k", answer(1), ttl_s=60, at=100.0)
    assert cache.get(b"k", 159.9) is not None
    assert cache.get(b"k", 160.0) is None
    assert cache.get(b"k", 100.0) is None


def test_the_cache_makes_room_by_forgetting_what_was_used_longest_ago() -> None:
    cache = ResponseCache(max_bytes=10)
    cache.put(b"a", answer(4), ttl_s=60, at=0)
    cache.put(b"b", answer(4), ttl_s=60, at=0)
    cache.get(b"a", 1)
    cache.put(b"c", answer(4), ttl_s=60, at=0)
    assert [cache.get(key, 1) is not None for key in (b"a", b"b", b"c")] == [True, False, True]
    cache.put(b"large", answer(11), ttl_s=60, at=0)
    assert cache.get(b"large", 1) is None
    cache.put(b"a", answer(1), ttl_s=60, at=0)
    found = cache.get(b"a", 1)
    assert found is not None
    assert len(found.body) == 1


@given(st.lists(st.text(max_size=3), min_size=12, max_size=12))
def test_parts_of_a_cache_key_never_run_into_each_other(parts: list[str]) -> None:
    def key(values: list[str]) -> bytes:
        gateway, provider, endpoint, model, authorization, body = values
        return cache_key(
            gateway,
            own_key=None,
            provider=provider,
            endpoint=endpoint,
            model=model,
            authorization=authorization.encode(),
            body=body.encode(),
        )

    assert (key(parts[:6]) == key(parts[6:])) is (parts[:6] == parts[6:])


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        ("constant", [0.1, 0.1, 0.1]),
        ("linear", [0.1, 0.2, 0.3]),
        ("exponential", [0.1, 0.2, 0.4]),
    ],
)
def test_waits_grow_as_the_backoff_says(backoff: str, delays: list[float]) -> None:
    retries = Retries(max_attempts=4, delay_ms=100, backoff=backoff)
    assert [retries.delay_s(n) for n in (1, 2, 3)] == pytest.approx(delays)


def test_retries_are_cut_to_what_is_allowed() -> None:
    read = read_retries({"max_attempts": "99", "delay_ms": 10**9, "backoff": "never"})
    assert read == Retries(max_attempts=5, delay_ms=60_000, backoff="constant")
    assert read_retries({"max_attempts": -3, "delay_ms": "x"}) == Retries()
