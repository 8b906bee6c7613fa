"""Knobs: strict about what they accept, changed at run time by the operator, kept over restarts."""

import json
from pathlib import Path

import httpx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emulator.api import Api
from support.cli import Wai
from wai_ops.core.errors import DataError, RemoteError, UsageError
from wai_ops.emulator.endpoint import write_endpoint
from wai_ops.emulator.knob_commands import apply, parse_assignments
from wai_ops.emulator.knobs import (
    FAULT_KINDS,
    Fault,
    Knobs,
    LiveKnobs,
    changed,
    decode_knobs,
    differences,
    flat,
    to_data,
)
from wai_ops.emulator.knobs_file import live_knobs, load_config
from wai_ops.emulator.own_api import call
from wai_ops.emulator.server import embedded

EXAMPLE = """
latency: {overhead_ms: 30, prefill_tokens_per_s: 8000, decode_tokens_per_s: 60, jitter_ratio: 0.1}
capacity: {replicas: 2, concurrency: 4, queue_length: 16, queue_wait_ms: 5000}
cache: {idle_s: 300}
logs: {lag_ms: 460, late_fields: [cost], metadata_encoding: string}
spend: {settle_delay_ms: 250}
policies: {propagation_delay_ms: 900000}
limits: {model_rate: true}
faults:
  - {kind: status, status: 429, code: 3040, probability: 0.02, seed: 7}
  - {kind: reset, path: "*/ai/run/*", count: 3, after_bytes: 200}
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_a_file_is_read_into_typed_knobs(tmp_path: Path) -> None:
    """Every section, with what it does not name at its default."""
    knobs = load_config(write(tmp_path / "emulator.yaml", EXAMPLE))
    assert knobs.latency.decode_tokens_per_s == 60.0
    assert knobs.capacity.queue_length == 16
    assert knobs.logs.late_fields == ("cost",)
    assert knobs.limits.paid_rpm == 20
    assert knobs.faults[1] == Fault(kind="reset", path="*/ai/run/*", count=3, after_bytes=200)
    assert load_config(write(tmp_path / "empty.yaml", "")) == Knobs()


def test_what_is_shown_can_be_written_into_a_file_again(tmp_path: Path) -> None:
    """The shape of the file and the shape of the data are one."""
    knobs = load_config(write(tmp_path / "a.yaml", EXAMPLE))
    again = write(tmp_path / "b.yaml", yaml.safe_dump(to_data(knobs)))
    assert load_config(again) == knobs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latancy: {}", "unknown key `latancy`; did you mean `latency`?"),
        ("latency: {overhed_ms: 1}", "`overhed_ms` in `latency`; did you mean `overhead_ms`?"),
        ("latency: {jitter_ratio: 2}", "latency.jitter_ratio: must be between 0 and 1, not 2"),
        ("latency: {overhead_ms: .nan}", "latency.overhead_ms: must be between"),
        ("latency: {prefill_tokens_per_s: .inf}", "must be a finite number"),
        ("capacity: {concurrency: 0}", "capacity.concurrency: must be at least 1, not 0"),
        ("capacity: {concurrency: 1.5}", "capacity.concurrency: must be a whole number, not 1.5"),
        ("capacity: {replicas: true}", "capacity.replicas: must be a whole number, not true"),
        ("capacity: {replicas: null}", "capacity.replicas: must be a whole number, not empty"),
        ("capacity: {spill: 1}", "capacity.spill: must be true or false, not 1"),
        ("cache: 3", "cache: must be a mapping"),
        ("logs: {system: new}", "logs.system: must be legacy or observability, not new"),
        ("logs: {late_fields: cost}", "logs.late_fields: must be a list, not cost"),
        ("logs: {late_fields: [prize]}", "logs.late_fields[0]: must be cost or"),
        ("faults: {}", "faults: must be a list"),
        ("faults: [{}]", "faults.0.kind: is required"),
        ("faults: [{kind: explode}]", "faults.0.kind: must be status or"),
        ("faults: [{kind: status, status: 200}]", "faults.0.status: must be between 400 and 599"),
        ("faults: [{kind: reset, stage: model}]", "`model` is for the kinds status and hang"),
        ("[1]", "must be a mapping of sections"),
        ("latency: {overhead_ms: 1, overhead_ms: 2}", "the key `overhead_ms` comes twice"),
        ("latency: [", "this is no YAML"),
        ("!!python/object/apply:os.system [id]", "this is no YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """And what would have been right, where that can be guessed."""
    path = write(tmp_path / "emulator.yaml", text)
    with pytest.raises(UsageError) as error:
        load_config(path)
    assert words in error.value.message
    assert error.value.where is not None
    assert error.value.where.startswith(str(path))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Nobody wants to mend a file one run at a time."""
    text = "latency: {jitter_ratio: 2, x: 1}\nnothing: {}\nfaults: [{kind: a}]"
    with pytest.raises(UsageError) as error:
        load_config(write(tmp_path / "emulator.yaml", text))
    assert len(error.value.message.split("; ")) >= 4


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["latency", "faults", "kind", "logs", "lag_ms", "late_fields"])
                | st.text(),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_data_breaks_the_decoder(data: object) -> None:
    """It answers with knobs or with problems, never with an exception."""
    knobs, problems = decode_knobs(data)
    assert problems or isinstance(knobs, Knobs)
    assert not problems or knobs == Knobs()


def test_changes_are_all_or_nothing_and_watched() -> None:
    """A watcher sees the new knobs once a change; a bad one leaves no trace."""
    live = LiveKnobs()
    seen: list[Knobs] = []
    live.watch(seen.append)
    live.change_all([("latency.overhead_ms", 5), ("capacity.concurrency", 2)])
    with pytest.raises(UsageError):
        live.change_all([("latency.overhead_ms", 9), ("capacity.concurrency", -1)])
    assert len(seen) == 2
    assert live.changes == {"latency.overhead_ms": 5.0, "capacity.concurrency": 2}
    live.reset()
    assert live.changes == {}
    assert seen[-1] == Knobs()


@pytest.mark.parametrize(
    ("dotted", "value", "words"),
    [
        ("latency", 3, "is a section"),
        ("latency.overhead_ms.x", 3, "too deep"),
        ("", 3, "unknown key"),
        ("faults.0.kind", "reset", "there is no fault 0"),
        ("faults.x", {}, "there is no fault x"),
    ],
)
def test_a_wrong_name_is_told(dotted: str, value: object, words: str) -> None:
    """Which part of it is wrong."""
    with pytest.raises(UsageError, match=words):
        changed(Knobs(), dotted, value)


def test_faults_can_be_changed_one_field_at_a_time() -> None:
    """By their number in the list."""
    knobs = changed(Knobs(), "faults", [{"kind": "reset"}, {"kind": "hang"}])
    knobs = changed(knobs, "faults.1.probability", 0.5)
    assert [fault.probability for fault in knobs.faults] == [1.0, 0.5]
    knobs = changed(knobs, "latency", {"overhead_ms": 3})
    assert knobs.latency.overhead_ms == 3.0


def test_differences_replay_to_the_same_knobs() -> None:
    """What is kept is enough to come back to where one was."""
    base, _ = decode_knobs(yaml.safe_load(EXAMPLE))
    moved = changed(base, "faults.0.probability", 0.9)
    moved = changed(moved, "cache.idle_s", None)
    again = base
    for name, value in json.loads(json.dumps(differences(base, moved))).items():
        again = changed(again, name, value)
    assert again == moved


def test_the_operator_turns_knobs_at_run_time_and_nobody_else(fresh: Api) -> None:
    """The runtime token and the reader's see nothing of them."""
    url = fresh.endpoint.base_url.removesuffix("/client/v4") + "/__wai/knobs"
    for role in ("runtime", "reader"):
        for method in ("GET", "PATCH", "DELETE"):
            answer = fresh.http.request(method, url, headers=fresh.auth(role), json={})
            assert answer.status_code == 403
    assert fresh.http.get(url).status_code == 401
    refused = fresh.http.patch(url, headers=fresh.auth("operator"), json={"latency.jitter": 1})
    assert refused.status_code == 400
    assert "did you mean `jitter_ratio`?" in refused.json()["errors"][0]["message"]
    for body in (b"", b"[]", b"{"):
        bad = fresh.http.patch(url, headers=fresh.auth("operator"), content=body)
        assert bad.status_code == 400


def test_a_change_holds_at_once_and_is_undone_by_a_reset(fresh: Api) -> None:
    """Here: the rate limit of a paid model."""
    told = call(
        fresh.endpoint,
        "PATCH",
        "/__wai/knobs",
        {"limits.model_rate": True, "limits.paid_rpm": 2, "capacity.replicas": 3},
    )
    assert told["needs_restart"] == ["capacity.replicas"]
    assert [fresh.chat().status_code for _ in range(3)] == [200, 200, 429]
    call(fresh.endpoint, "DELETE", "/__wai/knobs")
    assert fresh.chat().status_code == 200


def test_replicas_tell_what_they_hold_and_restart_cold(fresh: Api) -> None:
    """The next equal request finds nothing cached."""
    text = "a long enough prefix of many words to fill blocks with " * 8
    headers = {"x-session-affinity": "ses_1"}

    def cached() -> int:
        usage = fresh.chat(text, headers=headers).json()["usage"]
        return int(usage["prompt_tokens_details"]["cached_tokens"])

    assert cached() == 0
    assert cached() > 0
    held = call(fresh.endpoint, "GET", "/__wai/replicas")
    (warm,) = [item["replica"] for item in held if item["cached_blocks"]]
    assert held[warm]["models"][0]["running"] == 0
    call(fresh.endpoint, "POST", f"/__wai/replicas/{warm}/restart")
    assert cached() == 0
    for wrong in ("9", "x", "-1"):
        with pytest.raises(UsageError, match="not found"):
            call(fresh.endpoint, "POST", f"/__wai/replicas/{wrong}/restart")


def test_changes_survive_a_restart_above_the_file(tmp_path: Path) -> None:
    """File below, changes above; a reset returns to the file."""
    config = write(tmp_path / "emulator.yaml", "limits: {model_rate: true, paid_rpm: 3}")
    folder = tmp_path / "cf"
    with embedded(folder, config=config) as endpoint:
        call(endpoint, "PATCH", "/__wai/knobs", {"limits.paid_rpm": 1})
    assert (folder / "knobs.json").stat().st_mode & 0o777 == 0o600
    with embedded(folder, config=config) as endpoint, httpx.Client() as http:
        assert [Api(endpoint, http).chat().status_code for _ in range(2)] == [200, 429]
        told = call(endpoint, "DELETE", "/__wai/knobs")
        assert told["knobs"]["limits.paid_rpm"] == 3
    assert not (folder / "knobs.json").exists()


@pytest.mark.parametrize(
    ("damage", "kind"),
    [("{", DataError), ("[]", DataError), ('{"latency.x": 1}', UsageError)],
)
def test_damaged_changes_are_told_with_the_way_out(
    tmp_path: Path, damage: str, kind: type[Exception]
) -> None:
    """And a reset does mend them, though nothing runs."""
    write(tmp_path / "knobs.json", damage)
    with pytest.raises(kind) as error:
        live_knobs(tmp_path, Knobs())
    assert "--reset" in str(getattr(error.value, "hint", ""))
    apply(tmp_path, {}, reset=True)
    assert live_knobs(tmp_path, Knobs()).current == Knobs()


def test_assignments_are_yaml() -> None:
    """Numbers, flags, lists and null mean what they mean in the file."""
    words = ["a.b=3", "c.d=null", "faults=[{kind: reset}]", "e.f=true", "g.h=text=more"]
    assert parse_assignments(words) == {
        "a.b": 3,
        "c.d": None,
        "faults": [{"kind": "reset"}],
        "e.f": True,
        "g.h": "text=more",
    }
    for wrong in ("a.b", "=3"):
        with pytest.raises(UsageError, match="is not KEY=VALUE"):
            parse_assignments([wrong])


def test_what_is_set_while_nobody_runs_holds_from_the_next_start(tmp_path: Path) -> None:
    """Offline, online and after a start the same knobs are told."""
    told = apply(tmp_path, {"latency.overhead_ms": 1}, reset=False)
    assert (told["is_running"], told["changed"]) == (False, {"latency.overhead_ms": 1.0})
    with embedded(tmp_path) as endpoint:
        online = call(endpoint, "GET", "/__wai/knobs")
    assert online["changed"] == {"latency.overhead_ms": 1.0}
    assert set(online["knobs"]) == set(flat(Knobs()))


def test_a_server_that_is_gone_is_a_remote_error(tmp_path: Path) -> None:
    """Not a traceback."""
    with embedded(tmp_path) as endpoint:
        pass
    with pytest.raises(RemoteError):
        call(endpoint, "GET", "/__wai/knobs")


def test_the_command_sets_shows_and_resets(wai: Wai, tmp_path: Path) -> None:
    """Against a running emulator: stdout is data, notes go to stderr."""
    state = str(tmp_path / "cf")
    with embedded(tmp_path / "cf") as endpoint, httpx.Client() as http:
        write_endpoint(tmp_path / "cf", endpoint)
        done = wai("emulator", "set", "--state", state, "capacity.concurrency=2")
        assert (done.exit_code, done.stdout) == (0, "capacity.concurrency=2\n")
        assert done.stderr == ""
        shown = wai("emulator", "set", "--state", state, "--show").stdout.splitlines()
        assert "capacity.concurrency=2  # changed" in shown
        assert "latency.overhead_ms=0.0" in shown
        wrong = wai("emulator", "set", "--state", state, "capacity.concurency=2")
        assert wrong.exit_code == 2
        assert "did you mean `concurrency`?" in wrong.stderr
        told = json.loads(wai("emulator", "set", "--state", state, "--reset", "--json").stdout)
        assert (told["changed"], told["is_running"]) == ({}, True)
        assert Api(endpoint, http).chat().status_code == 200
        truth = json.loads(wai("emulator", "truth", "--state", state, "--json").stdout)
        assert truth["totals"]["requests"] == 1
        table = wai("emulator", "truth", "--state", state, "--by", "model", "--format", "csv")
        assert "@cf/moonshotai/kimi-k2.6" in table.stdout
        cold = wai("emulator", "restart-replica", "--state", state, "0")
        assert (cold.exit_code, cold.stderr) == (0, "wai: replica 0 is cold again\n")
    gone = wai("emulator", "truth", "--state", state)
    assert gone.exit_code == 6
    assert "no emulator is running" in gone.stderr


def test_the_documents_name_every_knob_and_every_fault() -> None:
    """With the default that it really has, and an example that is really accepted."""
    text = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text("utf-8")
    for name, value in flat(Knobs()).items():
        shown = f"{value:g}" if isinstance(value, float) else json.dumps(value)
        assert name == "faults" or f"| `{name}` | {shown} |" in text, name
    for kind in FAULT_KINDS:
        assert f"| `{kind}` |" in text
    example = text.partition("```yaml\n")[2].partition("```")[0]
    knobs, problems = decode_knobs(yaml.safe_load(example))
    assert (len(knobs.faults), problems) == (2, [])
