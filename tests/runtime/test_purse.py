"""The purse and the worst case: what keeps a comparison below its ceiling."""

import threading
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from wai_ops.runtime.purse import Purse

AMOUNTS = st.decimals(min_value=0, max_value=5, places=3)


@given(
    ceiling=AMOUNTS,
    spent=AMOUNTS,
    calls=st.lists(st.tuples(AMOUNTS, st.fractions(0, 1)), max_size=40),
    threads=st.integers(1, 6),
)
@settings(max_examples=40)
def test_whatever_many_threads_ask_for_the_ceiling_holds(
    ceiling: Decimal, spent: Decimal, calls: list[tuple[Decimal, object]], threads: int
) -> None:
    """Every call costs at most its worst case; no thread waits for ever."""
    purse = Purse(ceiling, spent_usd=min(spent, ceiling))
    total = [min(spent, ceiling)]
    guard = threading.Lock()
    work = list(calls)

    def worker() -> None:
        while True:
            with guard:
                if not work:
                    return
                worst, share = work.pop()
            charged = (worst * Decimal(str(float(share)))).quantize(Decimal("0.001"))  # type: ignore[arg-type]
            charged = min(charged, worst)
            if not purse.reserve(worst):
                continue
            with guard:
                total[0] += charged
                assert total[0] <= ceiling
            purse.settle(worst, charged)

    running = [threading.Thread(target=worker) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert purse.spent_usd == total[0] <= ceiling


def test_who_waits_is_let_go_when_the_purse_is_shut() -> None:
    purse = Purse(Decimal(1), spent_usd=Decimal(0))
    assert purse.reserve(Decimal(1))
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(purse.reserve(Decimal(1))))
    waiting.start()
    purse.shut()
    waiting.join(timeout=60)
    assert answers == [False]
    assert not purse.reserve(Decimal(0))
