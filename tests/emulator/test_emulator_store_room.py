"""Nobody outruns the disk: what waits to be written is bounded."""

import asyncio
import threading
from pathlib import Path

from wai_ops.emulator.store import open_store


def test_a_request_waits_while_too_much_is_waiting_to_be_written(tmp_path: Path) -> None:
    """Memory stays bounded when a disk is slower than the load."""

    async def play() -> tuple[bool, bool]:
        store = open_store(tmp_path)
        disk = threading.Event()
        held = asyncio.create_task(store.read(lambda _: disk.wait(30)))
        await asyncio.sleep(0)
        await store.room()  # a single read is not too much
        for _ in range(3000):
            store.write("prune_facts", {"before": ""})
        room = asyncio.create_task(store.room())
        await asyncio.wait({room}, timeout=0.05)
        before = room.done()
        disk.set()
        await room
        await held
        store.close()
        return before, room.done()

    assert asyncio.run(play()) == (False, True)
