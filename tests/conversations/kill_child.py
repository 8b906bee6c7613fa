"""Holds a conversation and dies at the n-th touch of live state: `kill_child.py URL STATE_DIR N`.

The turns before are said without harm; what is counted is the exchange in which the checkpoint is
made. Prints nothing. Ends by SIGKILL, or with 0 when it came to the end before its time.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from support.talking import talk_with
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy
from wai_ops.state.live import LiveState

POLICY = CheckpointPolicy(every_turns=4, keep_turns=1, max_tokens=400)


def die_at(count: int) -> None:
    """Kill this process right before its n-th statement on live state."""
    execute = LiveState.execute
    left = count

    def counted(live: LiveState, *arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(live, *arguments)

    setattr(LiveState, "execute", counted)  # noqa: B010 - the point of this program


def hold(url: str, state_dir: Path, count: int) -> None:
    """Say the next question of the conversation, and die on the way."""
    with talk_with(url, state_dir, policy=POLICY) as talk:
        die_at(count)
        talk.say("question 4 " + "tell me more " * 30)


if __name__ == "__main__":
    hold(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
