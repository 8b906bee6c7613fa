"""Every way to change a log that we could think of, each named with the right records.

The log has 40 actions and two checkpoints, one in the middle and one near the end; some records
come after it. `where` is the record that was touched.
"""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.decisions import KEY, OTHER_KEY, Ledgered
from wai_ops.control.decisions.audit import Audit, audit_folder
from wai_ops.control.decisions.checkpoint import sign_checkpoint
from wai_ops.control.decisions.findings import Kind
from wai_ops.control.decisions.merkle import Frontier, leaf_hash
from wai_ops.control.decisions.record import encode
from wai_ops.core.errors import DataError

TAMPERED, INCOMPLETE, UNREADABLE = Kind.TAMPERED, Kind.INCOMPLETE, Kind.UNREADABLE
HALF, MOST = 24, 36
"""Actions before the two checkpoints."""


@dataclass
class Scene:
    """A signed log, and what is about to be done to it."""

    made: Ledgered
    half: int
    """Records in the first checkpoint."""
    most: int
    """Records in the second."""
    lines: list[bytes]

    @property
    def folder(self) -> Path:
        return self.made.folder

    def write(self) -> None:
        self.made.file.write_bytes(b"".join(self.lines))

    def decision(self, after: int) -> int:
        """The first permitted decision from a record on that has a start and an end."""
        kinds = [json.loads(line)["type"] for line in self.lines]
        wanted = ["decision", "action_start", "action_end"]
        return next(n for n in range(after, len(kinds)) if kinds[n : n + 3] == wanted)

    def edit(self, place: int, **changes: object) -> None:
        record = json.loads(self.lines[place])
        self.lines[place] = encode(record | changes) + b"\n"

    def relink(self, start: int) -> None:
        """Make numbers and predecessors fit again, as a careful forger would."""
        for place in range(start, len(self.lines)):
            prev = "0" * 64
            if place:
                prev = leaf_hash(self.lines[place - 1][:-1]).hex()
            self.edit(place, seq=place, prev=prev)

    def checkpoint(self, size: int) -> Path:
        return self.folder / "checkpoints" / f"{size:012}.txt"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Ledgered:
    made = Ledgered(tmp_path_factory.mktemp("original") / ".wai")
    made.many(HALF)
    made.sign()
    made.many(MOST - HALF)
    made.sign()
    made.many(4)
    return made


@pytest.fixture
def scene(original: Ledgered, tmp_path: Path) -> Scene:
    shutil.copytree(original.state, tmp_path / ".wai")
    made = Ledgered(tmp_path / ".wai")
    half, most = sorted(int(path.stem) for path in (made.folder / "checkpoints").glob("*.txt"))
    return Scene(made, half, most, made.lines())


Where = int | tuple[int, int]


def edit_a_value(scene: Scene) -> Where:
    scene.edit(17, reason="it was fine")
    return 17


def turn_a_refusal_into_leave(scene: Scene) -> Where:
    place = next(n for n, line in enumerate(scene.lines) if b'"verdict":"deny"' in line)
    scene.edit(place, verdict="allow")
    return place


def change_one_byte_beyond_the_last_checkpoint(scene: Scene) -> Where:
    place = scene.decision(scene.most + 1)
    scene.lines[place] = scene.lines[place].replace(b"os:tester", b"os:tesler")
    return place


def change_the_spelling_and_not_the_meaning(scene: Scene) -> Where:
    scene.lines[20] = scene.lines[20].replace(b'":', b'": ', 1)
    return 20


def change_the_order_of_keys(scene: Scene) -> Where:
    record = json.loads(scene.lines[9])
    scene.lines[9] = encode(dict(reversed(record.items()))) + b"\n"
    return 9


def end_a_line_as_on_windows(scene: Scene) -> Where:
    scene.lines[11] = scene.lines[11][:-1] + b"\r\n"
    return 11


def change_what_a_record_says_of_its_predecessor(scene: Scene) -> Where:
    scene.edit(13, prev="12" * 32)
    return 12, 13


def change_the_number_of_a_record(scene: Scene) -> Where:
    scene.edit(15, seq=19)
    return 15


def edit_two_records_side_by_side(scene: Scene) -> Where:
    scene.edit(30, at="2026-01-01T00:00:00.000000Z")
    scene.edit(31, at="2026-01-01T00:00:00.000000Z")
    return 30, 31


def edit_and_make_all_links_fit_again(scene: Scene) -> Where:
    place = scene.decision(scene.half + 2)
    scene.edit(place, justification="somebody else asked for it")
    scene.relink(place + 1)
    return scene.half, scene.most - 1


def edit_before_the_first_checkpoint_and_make_all_fit(scene: Scene) -> Where:
    scene.edit(scene.decision(4), actor="os:nobody")
    scene.relink(1)
    return 0, scene.half - 1


def copy_a_record(scene: Scene) -> Where:
    scene.lines.insert(22, scene.lines[5])
    return 5


def repeat_a_record_in_place(scene: Scene) -> Where:
    scene.lines.insert(8, scene.lines[7])
    return 7


def swap_two_neighbours(scene: Scene) -> Where:
    scene.lines[18], scene.lines[19] = scene.lines[19], scene.lines[18]
    return 18


def move_a_record_to_the_end(scene: Scene) -> Where:
    scene.lines.append(scene.lines.pop(6))
    return 6


def forge_a_record_in_between(scene: Scene) -> Where:
    forged = {"type": "decision", "decision_id": "forged", "verdict": "deny", "mode": "enforce"}
    prev = leaf_hash(scene.lines[13][:-1]).hex()
    scene.lines.insert(14, encode({"v": 1, "seq": 14, "prev": prev, **forged}) + b"\n")
    return 14


def add_a_decision_where_there_was_one(scene: Scene) -> Where:
    """At the end, linked well: an open decision is decided again."""
    place = next(
        n
        for n, line in reversed(list(enumerate(scene.lines)))
        if b'"action_start"' in line
        and (n + 1 == len(scene.lines) or b"action_end" not in scene.lines[n + 1])
    )
    again = json.loads(scene.lines[place - 1])
    scene.lines.append(encode(again) + b"\n")
    scene.relink(len(scene.lines) - 1)
    return len(scene.lines) - 1


def sign_a_checkpoint_with_another_key(scene: Scene) -> Where:
    scene.checkpoint(scene.half).write_bytes(sign_checkpoint(scene.half, bytes(32), OTHER_KEY))
    return 0


def change_the_root_in_a_checkpoint(scene: Scene) -> Where:
    path = scene.checkpoint(scene.half)
    lines = path.read_bytes().split(b"\n")
    lines[2] = base64.b64encode(bytes(32))
    path.write_bytes(b"\n".join(lines))
    return 0


def give_a_checkpoint_another_name(scene: Scene) -> Where:
    scene.checkpoint(scene.half).rename(scene.checkpoint(scene.half - 1))
    return 0


def have_the_key_sign_another_history(scene: Scene) -> Where:
    """The holder of the key rewrites everything; an honest checkpoint is left somewhere."""
    scene.edit(scene.decision(scene.half + 2), actor="os:nobody")
    scene.relink(1)
    tree = Frontier()
    for line in scene.lines[: scene.most]:
        tree.add(leaf_hash(line[:-1]))
    scene.checkpoint(scene.most).unlink()
    note = sign_checkpoint(scene.most + 1, bytes(32), KEY)
    scene.checkpoint(scene.most + 1).write_bytes(note)
    return scene.half, scene.most


def delete_a_record(scene: Scene) -> Where:
    del scene.lines[16]
    return 16


def delete_the_first_record(scene: Scene) -> Where:
    del scene.lines[0]
    return 0


def delete_a_stretch(scene: Scene) -> Where:
    del scene.lines[10:16]
    return 10, 15


def delete_a_decision_and_make_all_links_fit(scene: Scene) -> Where:
    """Numbers and links are right again; its start has no decision."""
    place = scene.decision(scene.most + 1)
    del scene.lines[place]
    scene.relink(place)
    return place


def delete_a_start_and_make_all_links_fit(scene: Scene) -> Where:
    place = scene.decision(scene.most + 1)
    del scene.lines[place + 1]
    scene.relink(place + 1)
    return place + 1


def cut_the_end_off(scene: Scene) -> Where:
    del scene.lines[scene.most - 5 :]
    return scene.most - 5, scene.most - 1


def cut_the_end_off_within_a_record(scene: Scene) -> Where:
    del scene.lines[scene.most - 2 :]
    scene.lines[-1] = scene.lines[-1][:100]
    return scene.most - 3, scene.most - 1


def bring_back_an_older_copy(scene: Scene) -> Where:
    del scene.lines[scene.half :]
    return scene.half, scene.most - 1


def empty_the_file(scene: Scene) -> Where:
    scene.lines.clear()
    return 0, scene.most - 1


def write_garbage_over_a_record(scene: Scene) -> Where:
    scene.lines[21] = b"x" * (len(scene.lines[21]) - 1) + b"\n"
    return 21


def write_zeros_over_a_record(scene: Scene) -> Where:
    scene.lines[21] = b"\0" * (len(scene.lines[21]) - 1) + b"\n"
    return 21


def break_the_text_encoding(scene: Scene) -> Where:
    scene.lines[12] = scene.lines[12].replace(b'"seq"', b'"\xff\xfe"')
    return 12


def join_two_lines(scene: Scene) -> Where:
    scene.lines[25] = scene.lines[25][:-1]
    return 25


def split_a_line(scene: Scene) -> Where:
    scene.lines[26] = scene.lines[26][:50] + b"\n" + scene.lines[26][50:]
    return 26


def put_an_empty_line_in_between(scene: Scene) -> Where:
    scene.lines.insert(28, b"\n")
    return 28


def make_a_record_too_long(scene: Scene) -> Where:
    scene.edit(29, padding="y" * 70_000)
    return 29


def make_a_line_without_end(scene: Scene) -> Where:
    scene.lines[29] = b"z" * 3_000_000 + b"\n"
    return 29


def put_a_foreign_kind_of_record(scene: Scene) -> Where:
    scene.edit(33, type="note")
    return 33


CASES: dict[Callable[[Scene], Where], Kind] = {
    edit_a_value: TAMPERED,
    turn_a_refusal_into_leave: TAMPERED,
    change_one_byte_beyond_the_last_checkpoint: TAMPERED,
    change_the_spelling_and_not_the_meaning: TAMPERED,
    change_the_order_of_keys: TAMPERED,
    end_a_line_as_on_windows: TAMPERED,
    change_what_a_record_says_of_its_predecessor: TAMPERED,
    change_the_number_of_a_record: TAMPERED,
    edit_two_records_side_by_side: TAMPERED,
    edit_and_make_all_links_fit_again: TAMPERED,
    edit_before_the_first_checkpoint_and_make_all_fit: TAMPERED,
    copy_a_record: TAMPERED,
    repeat_a_record_in_place: TAMPERED,
    swap_two_neighbours: TAMPERED,
    move_a_record_to_the_end: TAMPERED,
    forge_a_record_in_between: TAMPERED,
    add_a_decision_where_there_was_one: TAMPERED,
    sign_a_checkpoint_with_another_key: TAMPERED,
    change_the_root_in_a_checkpoint: TAMPERED,
    give_a_checkpoint_another_name: TAMPERED,
    have_the_key_sign_another_history: TAMPERED,
    delete_a_record: INCOMPLETE,
    delete_the_first_record: INCOMPLETE,
    delete_a_stretch: INCOMPLETE,
    delete_a_decision_and_make_all_links_fit: INCOMPLETE,
    delete_a_start_and_make_all_links_fit: INCOMPLETE,
    cut_the_end_off: INCOMPLETE,
    cut_the_end_off_within_a_record: INCOMPLETE,
    bring_back_an_older_copy: INCOMPLETE,
    empty_the_file: INCOMPLETE,
    write_garbage_over_a_record: UNREADABLE,
    write_zeros_over_a_record: UNREADABLE,
    break_the_text_encoding: UNREADABLE,
    join_two_lines: UNREADABLE,
    split_a_line: UNREADABLE,
    put_an_empty_line_in_between: UNREADABLE,
    make_a_record_too_long: UNREADABLE,
    make_a_line_without_end: UNREADABLE,
    put_a_foreign_kind_of_record: UNREADABLE,
}


def first_of(audit: Audit, kind: Kind) -> tuple[int, int]:
    found = next(one for one in audit.verified.findings if one.kind is kind)
    return found.first, found.last


def test_the_untouched_log_raises_no_alarm(scene: Scene) -> None:
    found = scene.made.audit()
    assert list(found.verified.findings) == []
    assert found.verified.anchored == scene.most
    assert found.verified.unanchored == len(scene.lines) - scene.most > 5


@pytest.mark.parametrize("tamper", CASES, ids=lambda case: case.__name__)
def test_what_was_done_is_named_with_the_right_records(
    scene: Scene, tamper: Callable[[Scene], Where]
) -> None:
    where = tamper(scene)
    scene.write()
    first, last = where if isinstance(where, tuple) else (where, where)
    found = scene.made.audit()
    assert first_of(found, CASES[tamper]) == (first, last), found.verified.findings


@pytest.mark.parametrize(
    "tamper",
    [case for case, kind in CASES.items() if kind is not UNREADABLE],
    ids=lambda case: case.__name__,
)
def test_what_can_be_read_is_not_called_unreadable(
    scene: Scene, tamper: Callable[[Scene], Where]
) -> None:
    tamper(scene)
    scene.write()
    assert Kind.UNREADABLE not in scene.made.audit().verified.kinds()


@pytest.mark.parametrize(
    "tamper",
    [edit_a_value, edit_and_make_all_links_fit_again, delete_a_record, cut_the_end_off],
    ids=lambda case: case.__name__,
)
def test_a_log_that_was_changed_is_never_signed(
    scene: Scene, tamper: Callable[[Scene], Where]
) -> None:
    tamper(scene)
    scene.write()
    before = sorted((scene.folder / "checkpoints").iterdir())
    with pytest.raises(DataError, match="the log is not signed"):
        scene.made.sign()
    assert sorted((scene.folder / "checkpoints").iterdir()) == before


def test_everything_taken_back_to_an_older_state_is_seen_by_an_anchor_elsewhere(
    scene: Scene,
) -> None:
    """Log and checkpoints agree; only a copy of the newer checkpoint knows better."""
    anchor = scene.checkpoint(scene.most).read_bytes()
    scene.checkpoint(scene.most).unlink()
    bring_back_an_older_copy(scene)
    scene.write()
    assert list(scene.made.audit().verified.findings) == []
    found = audit_folder(scene.folder, [KEY.verifier], [("elsewhere", anchor)])
    assert first_of(found, INCOMPLETE) == (scene.half, scene.most - 1)


def test_without_the_public_key_no_checkpoint_is_believed(scene: Scene) -> None:
    found = audit_folder(scene.folder, [])
    assert (found.unchecked, found.verified.anchored) == (2, 0)
    wrong = audit_folder(scene.folder, [OTHER_KEY.verifier])
    assert wrong.verified.kinds() == {TAMPERED}
