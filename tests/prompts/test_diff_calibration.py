"""Learning from usage how much text makes a token, and choosing what to count with."""

import pytest

from wai_ops.observe.reports.prompt_rows import VersionUsage
from wai_ops.prompts.calibration import Sample, calibrate, sample_of_prefix, sample_of_whole
from wai_ops.prompts.source import Source, parse_source
from wai_ops.prompts.tokens import Chat, Method, Size, TokenCounter, pieces_of, size_of
from wai_ops.runtime.prompt_tokens import counters_of

PROSE = "The parcel is late and nobody at the desk knows why it has not left the house. "


def size(times: int) -> Size:
    return size_of(Chat(messages=(("system", PROSE * times),)))


def source(name: str, times: int, user: str = "{{ ticket }}") -> Source:
    text = f"{{% role system %}}\n{PROSE * times}\n{{% role user %}}\n{user}\n"
    return parse_source(name, lambda _: text.encode())


def usage(name: str, version: str, model: str, **counts: int | None) -> VersionUsage:
    values: dict[str, int | None] = {
        "call_count": 10,
        "least_input_tokens": 100,
        "most_input_tokens": 200,
        "median_cached_tokens": None,
        "cached_count": 0,
    }
    known = values | counts
    return VersionUsage(prompt_name=name, prompt_version=version, model=model, **known)  # type: ignore[arg-type]


def chosen(
    rows: list[VersionUsage], texts: dict[tuple[str, str], Source], *models: str
) -> dict[str | None, TokenCounter]:
    return counters_of(models, "triage", rows, lambda *key: texts.get(key), block_tokens=16)


def test_a_text_that_was_counted_gives_its_own_count_back() -> None:
    counter = calibrate([sample_of_whole("triage", size(10), 204)], prompt="triage", model="m")
    assert counter is not None
    assert counter.count(Chat(messages=(("system", PROSE * 10),))) == 204
    assert counter.count(Chat(messages=(("system", PROSE * 20),))) == pytest.approx(404, abs=1)
    assert counter.basis.error_ratio is None
    assert "error unknown" in counter.basis.words


def test_cached_tokens_are_the_prefix_or_up_to_a_block_less() -> None:
    counter = calibrate([sample_of_prefix("triage", size(10), 192, 16)], prompt="triage", model="m")
    assert counter is not None
    assert 192 <= counter.count(Chat(messages=(("system", PROSE * 10),))) < 192 + 16
    assert counter.error_ratio == pytest.approx(7.5 / 199.5)


def test_the_error_is_what_each_version_is_off_by_when_the_others_speak() -> None:
    samples = [
        sample_of_whole("triage", size(times), tokens) for times, tokens in ((10, 204), (20, 444))
    ]
    counter = calibrate(samples, prompt="triage", model="m")
    assert counter is not None
    # The second has a tenth more tokens than the first makes expect.
    assert counter.error_ratio == pytest.approx(
        ((0.1**2 + (1 - 1 / 1.1) ** 2) / 2) ** 0.5, rel=0.03
    )


def test_the_prompts_own_usage_is_preferred_and_nonsense_is_left_out() -> None:
    own = sample_of_whole("triage", size(10), 204)
    other = sample_of_whole("other", size(10), 404)
    absurd = Sample(prompt="triage", size=size(10), tokens=1_000_000)
    tiny = Sample(prompt="triage", size=size(1), tokens=30)
    counter = calibrate([other, absurd, tiny, own], prompt="triage", model="m")
    assert counter is not None
    assert (counter.source, counter.sample_count) == ("triage", 1)
    fallback = calibrate([other, absurd], prompt="triage", model="m")
    assert fallback is not None
    assert (fallback.source, fallback.sample_count) == ("other prompts", 1)
    assert calibrate([absurd, tiny], prompt="triage", model="m") is None


def test_a_version_with_values_teaches_by_what_was_cached_of_it() -> None:
    text = source("triage", 10)
    rows = [usage("triage", "1", "m", median_cached_tokens=192, cached_count=9)]
    counter = chosen(rows, {("triage", "1"): text}, "m")["m"]
    assert counter.basis.method is Method.CALIBRATED
    assert counter.basis.error_ratio == pytest.approx(0.0376, abs=0.001)


def test_one_request_that_found_a_prefix_teaches_nothing() -> None:
    """It may have met another version's prefix, as the first after a release does."""
    rows = [usage("triage", "1", "m", median_cached_tokens=192, cached_count=1)]
    counter = chosen(rows, {("triage", "1"): source("triage", 10)}, "m")["m"]
    assert counter.basis.method is Method.ESTIMATED


def test_a_version_without_values_teaches_by_all_of_its_input() -> None:
    rows = [usage("triage", "1", "m", least_input_tokens=230, most_input_tokens=230)]
    counter = chosen(rows, {("triage", "1"): source("triage", 10, user="Go on.")}, "m")["m"]
    chat = Chat(messages=(("system", (PROSE * 10).rstrip()), ("user", "Go on.")))
    assert counter.count(chat) == pytest.approx(230, abs=1)


def test_a_model_without_usage_counts_as_the_other_one_does() -> None:
    """Two ways of counting would be a difference that no version has made."""
    rows = [usage("triage", "1", "m", median_cached_tokens=192, cached_count=9)]
    counters = chosen(rows, {("triage", "1"): source("triage", 10)}, "m", "n")
    assert counters["m"] is counters["n"]
    assert "as m counted" in counters["n"].basis.words


def test_versions_whose_text_nobody_has_are_passed_over() -> None:
    rows = [usage("triage", "work-0123456789ab", "m", median_cached_tokens=192, cached_count=9)]
    assert chosen(rows, {}, "m")["m"].basis.method is Method.ESTIMATED


def test_an_exact_tokenizer_beats_all_usage() -> None:
    class Exact:
        basis = None

        def count(self, chat: Chat) -> int:
            return len(chat.messages)

        def shared(self, first: Chat, second: Chat) -> int:
            return len(first.messages) + len(second.messages)

    exact = Exact()
    rows = [usage("triage", "1", "m", median_cached_tokens=192, cached_count=9)]
    found = counters_of(
        ["m", None],
        "triage",
        rows,
        lambda *_: None,
        block_tokens=16,
        exact=exact,  # type: ignore[arg-type]
    )
    assert {id(counter) for counter in found.values()} == {id(exact)}


def test_prose_lists_and_json_differ_less_in_tokens_a_piece_than_in_characters_a_token() -> None:
    """Why pieces are counted: sentences, a table of numbers and JSON, by one real kind of rule."""
    texts = (PROSE * 5, "| 12 | 3,400 | 7.5% |\n" * 20, '{"id": 4711, "tags": ["a", "b"]}\n' * 20)
    import re

    counts = [len(re.findall(r" ?[A-Za-z]{1,6}| ?[0-9]{1,3}|[\s\S]", text)) for text in texts]
    by_character = [len(text) / count for text, count in zip(texts, counts, strict=True)]
    by_piece = [pieces_of(text) / count for text, count in zip(texts, counts, strict=True)]
    assert max(by_character) / min(by_character) > 2
    assert max(by_piece) / min(by_piece) < 1.4
