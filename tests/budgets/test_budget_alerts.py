"""Alerts: each once to each channel, signed so that anybody can check it, never lost."""

import hashlib
import hmac
import json
import multiprocessing
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.cli import Wai
from support.facts import NOON
from wai_ops.config.alert_settings import AlertSettings
from wai_ops.config.budget_settings import Alignment, BudgetSettings, BudgetWindow
from wai_ops.config.credentials import Secret
from wai_ops.control.budgets.alert_channels import (
    Channel,
    FileChannel,
    Webhook,
    open_channels,
    signature,
)
from wai_ops.control.budgets.alerting import STDOUT, AlertRow, send_alerts
from wai_ops.control.budgets.alerts import Sent, due_alerts, sent_alerts
from wai_ops.control.budgets.status import StatusRow, standing_of
from wai_ops.core.errors import DataError, RemoteError, UsageError, WaiError
from wai_ops.emulator.testing import WaiEmulator

BUDGET = BudgetSettings(
    limit_usd=Decimal(10),
    window=BudgetWindow.DAILY,
    warn_at=(Decimal("0.5"), Decimal("0.8")),
    owner="finops",
)
ROLLING = replace(BUDGET, alignment=Alignment.ROLLING)


def status(
    spent: str,
    budget: BudgetSettings = BUDGET,
    *,
    name: str = "b",
    bucket: str = "",
    reserved: str | None = None,
    began: datetime = NOON,
) -> StatusRow:
    used = Decimal(spent) + Decimal(reserved or 0)
    is_rolling = budget.alignment is Alignment.ROLLING
    return StatusRow(
        budget=name,
        bucket=bucket,
        standing=standing_of(budget, used),
        limit_usd=budget.limit_usd,
        spent_usd=Decimal(spent),
        reserved_usd=None if reserved is None else Decimal(reserved),
        remaining_usd=max(Decimal(0), budget.limit_usd - used),
        used_ratio=float(used / budget.limit_usd),
        burn_usd_per_h=None,
        call_count=1,
        unknown_cost_count=0,
        estimated_cost_usd=None,
        window_began_at=began,
        window_ends_at=None if is_rolling else began + timedelta(days=1),
        owner=budget.owner,
    )


@dataclass
class Receiver:
    """A webhook on a real socket; `answers` are the codes to come, 204 after them."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            status = receiver.answers.pop(0) if receiver.answers else 204
            self.send_response(status)
            if status == 302:
                self.send_header("location", receiver.url + "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook?token=in-the-address"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def webhook(hook: Receiver, secret: str | None = "a key") -> Webhook:
    return Webhook("ops", Secret(hook.url), None if secret is None else Secret(secret))


def send(
    folder: Path,
    channels: list[Channel],
    *rows: StatusRow,
    budgets: Mapping[str, BudgetSettings] | None = None,
    only: tuple[str, ...] = (),
    now: datetime = NOON,
) -> tuple[list[AlertRow], bool]:
    settings = {channel.name: AlertSettings(file=Path("x"), budgets=only) for channel in channels}
    table, is_whole = send_alerts(
        rows,
        budgets or {"b": BUDGET},
        settings,
        channels,
        state_dir=folder / ".wai",
        now=now,
    )
    return list(table.rows), is_whole


def thresholds(rows: list[AlertRow]) -> list[str]:
    return [f"{row.threshold_ratio:f}" for row in rows]


def test_each_share_is_told_once_and_the_limit_too(tmp_path: Path, hook: Receiver) -> None:
    channels: list[Channel] = [webhook(hook)]
    assert send(tmp_path, channels, status("4.99")) == ([], True)
    assert thresholds(send(tmp_path, channels, status("5"))[0]) == ["0.5"]
    assert send(tmp_path, channels, status("5.5"))[0] == []
    assert thresholds(send(tmp_path, channels, status("12"))[0]) == ["0.8", "1"]
    assert send(tmp_path, channels, status("13"))[0] == []
    told = [json.loads(body) for _, body in hook.got]
    assert [item["threshold_ratio"] for item in told] == ["0.5", "0.8", "1"]
    assert told[0] == {
        "type": "budget_alert",
        "version": 1,
        "alert_id": told[0]["alert_id"],
        "budget": "b",
        "bucket": "",
        "threshold_ratio": "0.5",
        "used_ratio": 0.5,
        "spent_usd": "5",
        "reserved_usd": None,
        "limit_usd": "10",
        "window": "daily",
        "window_began_at": "2026-03-14T12:00:00.250000Z",
        "owner": "finops",
        "occurred_at": "2026-03-14T12:00:00.250000Z",
    }
    assert len({item["alert_id"] for item in told}) == 3


def test_another_window_and_another_bucket_are_told_anew(tmp_path: Path, hook: Receiver) -> None:
    channels: list[Channel] = [webhook(hook)]
    send(tmp_path, channels, status("5", bucket="tenant=a"))
    found, _ = send(
        tmp_path, channels, status("5", bucket="tenant=a"), status("6", bucket="tenant=b")
    )
    assert [row.bucket for row in found] == ["tenant=b"]
    tomorrow = NOON + timedelta(days=1)
    found, _ = send(
        tmp_path, channels, status("5", bucket="tenant=a", began=tomorrow), now=tomorrow
    )
    assert [row.bucket for row in found] == ["tenant=a"]


def test_what_is_set_aside_counts(tmp_path: Path) -> None:
    found, _ = send(tmp_path, [], status("1", reserved="4"))
    assert thresholds(found) == ["0.5"]
    assert found[0].delivered_to == STDOUT


def test_a_share_of_a_rolling_window_is_told_again_after_it_was_left(tmp_path: Path) -> None:
    budgets = {"b": ROLLING}
    looks: tuple[tuple[str, list[str]], ...]
    looks = (("5", ["0.5"]), ("6", []), ("4", []), ("5", ["0.5"]), ("5", []))
    for minutes, (spent, told) in enumerate(looks):
        now = NOON + timedelta(minutes=minutes)
        found, _ = send(tmp_path, [], status(spent, ROLLING), budgets=budgets, now=now)
        assert thresholds(found) == told, spent
    # It moves with the clock, so it is not the window's beginning that tells two events apart.
    later = NOON + timedelta(days=3)
    moved = status("5", ROLLING, began=later)
    assert send(tmp_path, [], moved, budgets=budgets, now=later)[0] == []


@pytest.mark.parametrize("answer", [500, 404, 302])
def test_what_a_webhook_refuses_is_sent_again_with_the_same_id(
    tmp_path: Path, hook: Receiver, answer: int
) -> None:
    channels: list[Channel] = [webhook(hook)]
    hook.answers = [answer]
    found, is_whole = send(tmp_path, channels, status("5"))
    assert not is_whole
    assert found[0].failed == f"ops: answered with HTTP {answer}"
    assert found[0].delivered_to == STDOUT
    found, is_whole = send(tmp_path, channels, status("5.1"))
    assert is_whole
    assert (found[0].delivered_to, found[0].failed) == ("ops", None)
    assert send(tmp_path, channels, status("5.2"))[0] == []
    ids = [headers["x-wai-alert-id"] for headers, _ in hook.got]
    assert len(ids) == 2  # a redirect is not followed
    assert len(set(ids)) == 1


def test_one_channel_that_fails_keeps_nothing_from_the_others(
    tmp_path: Path, hook: Receiver
) -> None:
    nobody = Webhook("ops", Secret("http://127.0.0.1:9/hook?token=in-the-address"), None)
    file = FileChannel("log", tmp_path / "alerts.jsonl")
    found, is_whole = send(tmp_path, [nobody, file], status("5"))
    assert not is_whole
    assert found[0].failed == "ops: cannot be reached: connection refused"
    assert found[0].delivered_to == f"log, {STDOUT}"
    send(tmp_path, [nobody, file], status("5"))
    lines = (tmp_path / "alerts.jsonl").read_text().splitlines()
    assert [json.loads(line)["threshold_ratio"] for line in lines] == ["0.5"]
    assert (tmp_path / "alerts.jsonl").stat().st_mode & 0o777 == 0o600
    assert hook.got == []


def test_a_channel_for_some_budgets_gets_no_others(tmp_path: Path, hook: Receiver) -> None:
    rows = (status("5"), status("5", name="other"))
    budgets = {"b": BUDGET, "other": BUDGET}
    send(tmp_path, [webhook(hook)], *rows, budgets=budgets, only=("other",))
    assert [json.loads(body)["budget"] for _, body in hook.got] == ["other"]


def test_the_signature_is_of_time_and_body_and_anybody_with_the_key_can_check_it(
    tmp_path: Path, hook: Receiver
) -> None:
    send(tmp_path, [webhook(hook)], status("5"))
    ((headers, body),) = hook.got
    stamp = headers["x-wai-timestamp"]
    assert stamp == str(int(NOON.timestamp()))
    expected = hmac.new(b"a key", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["x-wai-signature"] == f"v1={expected}"
    assert headers["content-type"] == "application/json"
    assert signature(Secret("another"), stamp, body) != headers["x-wai-signature"]


def test_without_a_key_there_is_no_signature(tmp_path: Path, hook: Receiver) -> None:
    send(tmp_path, [webhook(hook, None)], status("5"))
    assert "x-wai-signature" not in hook.got[0][0]


class Dies(BaseException):
    """The process is killed."""


def test_what_was_sent_but_not_noted_is_sent_again_with_the_same_id(tmp_path: Path) -> None:
    """At least once: between the two nobody can know."""
    seen: list[str] = []

    @dataclass(frozen=True)
    class Killed:
        name: str = "ops"
        is_last: bool = False

        def deliver(self, body: Mapping[str, Any], alert_id: str, now: datetime) -> None:
            seen.append(alert_id)
            if not self.is_last:
                raise Dies

    with pytest.raises(Dies):
        send(tmp_path, [Killed()], status("9"))
    send(tmp_path, [Killed(is_last=True)], status("9"))
    assert len(seen) == 3
    assert seen[0] == seen[1]


def test_what_was_told_before_a_crash_is_noted(tmp_path: Path) -> None:
    told: list[str] = []

    @dataclass(frozen=True)
    class Second:
        name: str = "ops"

        def deliver(self, body: Mapping[str, Any], alert_id: str, now: datetime) -> None:
            if len(told) == 1:
                raise Dies
            told.append(alert_id)

    with pytest.raises(Dies):
        send(tmp_path, [Second()], status("9"))
    with sent_alerts(tmp_path / ".wai", NOON) as sent:
        assert any(told[0] in key for key in sent.delivered)


def _race(folder: str, url: str, gate: Any) -> None:
    gate.wait()
    channel = Webhook("ops", Secret(url), None)
    send(Path(folder), [channel], status("9"))


def test_processes_that_run_together_tell_it_once(tmp_path: Path, hook: Receiver) -> None:
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(6)
    children = [
        context.Process(target=_race, args=(str(tmp_path), hook.url, gate)) for _ in range(6)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert sorted(json.loads(body)["threshold_ratio"] for _, body in hook.got) == ["0.5", "0.8"]


def test_notes_that_cannot_be_read_are_an_error_and_nothing_is_sent(
    tmp_path: Path, hook: Receiver
) -> None:
    folder = tmp_path / ".wai" / "alerts"
    folder.mkdir(parents=True)
    (folder / "sent.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        send(tmp_path, [webhook(hook)], status("9"))
    assert hook.got == []
    assert (folder / "sent.json").read_text() == "{"


def test_old_notes_are_forgotten_after_more_than_a_year(tmp_path: Path) -> None:
    send(tmp_path, [], status("5"))
    with sent_alerts(tmp_path / ".wai", NOON + timedelta(days=399)) as sent:
        assert len(sent.delivered) == 1
    with sent_alerts(tmp_path / ".wai", NOON + timedelta(days=401)):
        pass
    with sent_alerts(tmp_path / ".wai", NOON) as sent:
        assert sent.delivered == {}


def test_shares_are_told_in_order_and_the_same_share_twice_once() -> None:
    twice = replace(BUDGET, warn_at=(Decimal("0.8"), Decimal("0.5"), Decimal("0.50")))
    found = due_alerts([status("9", twice)], {"b": twice}, Sent(), NOON)
    assert [alert.threshold_ratio for alert in found] == [Decimal("0.5"), Decimal("0.8")]


def channels_of(environ: dict[str, str], **channels: AlertSettings) -> list[Channel]:
    return open_channels(channels, environ, Path("/project"))


def test_every_variable_that_is_missing_is_named_before_anything_is_sent() -> None:
    ops = AlertSettings(url_variable="OPS_URL", secret_variable="OPS_KEY")
    with pytest.raises(UsageError) as caught:
        channels_of({}, ops=ops, other=AlertSettings(url_variable="OTHER"))
    assert caught.value.message.splitlines() == [
        "alerts.ops: OPS_URL is not set",
        "alerts.ops: OPS_KEY is not set",
        "alerts.other: OTHER is not set",
    ]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.com/x", "must be https"),
        ("ftp://example.com/x", "must be https"),
        ("https://user:pw@example.com/x", "must have no user"),
        ("https://example.com/x#y", "must have no user, password or fragment"),
        ("https://", "is no address"),
        ("https://example.com:99999/", "is no address"),
        ("https://example.com/a b", "is no address"),
        ("https://exämple.com/", "is no address"),
    ],
)
def test_an_address_that_a_secret_must_not_go_to_is_refused_and_not_shown(
    url: str, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        channels_of({"OPS_URL": url}, ops=AlertSettings(url_variable="OPS_URL"))
    assert url not in caught.value.message


@pytest.mark.parametrize(
    "url", ["https://example.com/x?y=z", "http://127.0.0.1:8/", "http://localhost/"]
)
def test_https_and_this_machine_are_good_addresses(url: str) -> None:
    (channel,) = channels_of({"OPS_URL": url}, ops=AlertSettings(url_variable="OPS_URL"))
    assert isinstance(channel, Webhook)
    assert url not in repr(channel)


def test_an_error_names_the_host_and_never_the_rest_of_the_address() -> None:
    secret = Secret("http://127.0.0.1:9/hook/T0KEN?token=in-the-address")
    with pytest.raises(RemoteError) as caught:
        Webhook("ops", secret, None).deliver({}, "id", NOON)
    error: WaiError = caught.value
    assert (error.message, error.where) == (
        "cannot be reached: connection refused",
        "http://127.0.0.1",
    )


CONFIG = """\
version: "1"
defaults: {tenant: acme, workflow: support}
budgets:
  all: {limit_usd: "0.00002", window: monthly, warn_at: [0.5], enforce: [policy]}
alerts:
  ops: {url_variable: OPS_URL, secret_variable: OPS_KEY}
  log: {file: told/alerts.jsonl}
"""


def test_the_command_tells_once_retries_and_exits_3_until_all_were_told(
    wai: Wai, hook: Receiver, budget_emulator: WaiEmulator
) -> None:
    budget_emulator.reset()
    wai.environ.update(budget_emulator.environ)
    (wai.folder / "wai.yaml").write_text(CONFIG)
    (wai.folder / "told").mkdir()
    wai.environ |= {"OPS_URL": hook.url, "OPS_KEY": "a key"}
    assert wai("run", "-q", "write 60 words").exit_code == 0
    tried = wai("budget", "alerts", "--test", "--json")
    assert tried.exit_code == 0, tried.stderr
    rows = json.loads(tried.stdout)["rows"]
    assert [(row["channel"], row["is_delivered"]) for row in rows] == [("log", True), ("ops", True)]
    hook.answers = [503]
    first = wai("budget", "alerts", "--json")
    assert first.exit_code == 3
    assert "in-the-address" not in first.stdout + first.stderr
    rows = json.loads(first.stdout)["rows"]
    assert {row["failed"] for row in rows} >= {"ops: answered with HTTP 503"}
    second = wai("budget", "alerts", "--json")
    assert second.exit_code == 0, second.stderr
    assert [row["delivered_to"] for row in json.loads(second.stdout)["rows"]] == ["ops"]
    third = wai("budget", "alerts", "--json")
    assert (third.exit_code, json.loads(third.stdout)["rows"]) == (0, [])
    lines = (wai.folder / "told" / "alerts.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds == ["test"] + ["budget_alert"] * len(rows)


@pytest.mark.parametrize(
    ("channel", "problem"),
    [
        ("{}", "names either url_variable, for a webhook, or file"),
        ("{file: a, url_variable: B}", "names either url_variable"),
        ("{file: a, secret_variable: B}", "secret_variable signs webhooks"),
        ("{url: https://example.com}", "unknown key `url` in `alerts.ops`"),
        ("{url_variable: 'not a name'}", "must be the name of an environment variable"),
    ],
)
def test_a_channel_that_cannot_be_is_a_problem_of_the_file(
    wai: Wai, channel: str, problem: str
) -> None:
    (wai.folder / "wai.yaml").write_text(f'version: "1"\nalerts:\n  ops: {channel}\n')
    ran = wai("config", "validate")
    assert ran.exit_code == 2
    assert problem in ran.stdout + ran.stderr
