"""The loop of `wai chat`: read a message, answer it, until somebody leaves.

On a terminal nothing that goes wrong with one message ends the chat. Without one it is a script:
the first failure ends it with its exit code, because what follows was meant for another answer.
"""

import sys
from contextlib import suppress

from wai_ops.cli import diagnostics
from wai_ops.cli.chat_commands import Left, message_of, parse, run_command
from wai_ops.cli.chat_input import Composer, Lines
from wai_ops.cli.chat_screen import Screen, summary_line
from wai_ops.cli.chat_session import ChatSession, problem_of, result_line
from wai_ops.cli.chat_sink import ChatSink
from wai_ops.core.errors import WaiError
from wai_ops.core.failures import FailureClass
from wai_ops.core.text import counted, one_line
from wai_ops.runtime.conversation_text import usd


class ChatLoop:
    """Everything between the first prompt and the last line."""

    def __init__(
        self,
        session: ChatSession,
        lines: Lines,
        screen: Screen,
        sink: ChatSink,
        *,
        as_json: bool,
    ) -> None:
        """`typed` fills with every line, for the history file."""
        self._session = session
        self._lines = lines
        self._screen = screen
        self._sink = sink
        self._as_json = as_json
        self._composer = Composer()
        self.typed: list[str] = []

    def run(self) -> None:
        """Go on until the end of the input. Raises WaiError where no person sits there."""
        with suppress(Left), self._lines.typing():
            while self._one():
                pass
        self._goodbye()

    def _one(self) -> bool:
        """One message or command; False: nothing comes any more."""
        try:
            line = self._lines.read(goes_on=self._composer.is_open)
            if line is None:
                return self._end()
            if self._lines.is_terminal:
                self.typed.append(line)
            with self._lines.working():
                self._take(line)
        except KeyboardInterrupt:
            if not self._lines.is_terminal:
                raise
            self._composer.clear()
            sys.stderr.write("\n")
            self._screen.line("(Ctrl-D or /quit leaves)")
        except WaiError as error:
            if not self._lines.is_terminal:
                raise
            diagnostics.report(error)
        return True

    def _take(self, line: str) -> None:
        is_first = not self._composer.is_open
        if is_first and not line.strip():
            return
        command = parse(line) if is_first else None
        if command is not None:
            text = run_command(*command, self._session, self._screen)
        else:
            text = self._composer.feed(message_of(line) if is_first else line)
        if text is not None and text.strip():
            self._answer(text)

    def _end(self) -> bool:
        if self._lines.is_terminal:
            sys.stdout.write("\n")
            sys.stdout.flush()
        elif (rest := self._composer.flush()) is not None and rest.strip():
            self._answer(rest)
        return False

    def _answer(self, text: str) -> None:
        from wai_ops.runtime.run import tool_call_dicts

        try:
            done = self._session.say(text)
        except KeyboardInterrupt:
            self._sink.finish([])
            self._session.spent.unknown += 1
            if not self._lines.is_terminal:
                raise
            self._screen.line(
                "(stopped; what came is kept, and is not part of the history: /retry asks again)"
            )
            return
        if self._as_json:
            from wai_ops.cli.output import to_json_line

            sys.stdout.write(to_json_line(result_line(done, self._session.tools)) + "\n")
            sys.stdout.flush()
        else:
            self._sink.finish(tool_call_dicts(done.finished.reply))
        if (problem := problem_of(done)) is not None:
            raise problem
        if done.finished.reply.failure is FailureClass.OUTPUT_TRUNCATED:
            diagnostics.warn("the answer was cut by the output limit; raise --max-tokens")
        self._screen.quiet(summary_line(done))

    def _goodbye(self) -> None:
        spent = self._session.spent
        if not spent.turns and not spent.unknown:
            return
        money = usd(spent.cost_usd)
        if spent.unknown:
            money += f" and {counted(spent.unknown, 'call')} of unknown cost"
        tokens = f"{spent.input_tokens:,} tokens in ({spent.cached_input_tokens:,} cached)"
        self._screen.quiet(
            f"{counted(spent.turns, 'exchange')}, {tokens}, {spent.output_tokens:,} out, {money}; "
            f"go on with: wai chat -c {self._session.conversation_id}" + _place(self._session)
        )


def greet(session: ChatSession, screen: Screen) -> None:
    """Say where one is, and where an older conversation left off."""
    model = session.ask("?").model
    place = f"{session.tenant}/{session.workflow} {session.conversation_id}"
    screen.quiet(f"{place}, {model}")
    screen.quiet("/help lists the commands, Ctrl-D leaves")
    detail = session.detail()
    if detail is None:
        return
    complete = [turn for turn in detail.turns if turn.state == "done"]
    spent = f", {usd(detail.cost.turns_usd)} so far"
    said = f": {one_line(complete[-1].said, 60)}" if complete else ""
    screen.quiet(f"goes on after {counted(len(detail.turns), 'turn')}{spent}{said}")
    last = detail.turns[-1] if detail.turns else None
    if last is not None and last.state in ("partial", "failed", "lost"):
        screen.quiet(f"the last turn was {last.state}; /retry asks it again: {last.said}")


def _place(session: ChatSession) -> str:
    defaults = session.context.settings.defaults
    place = "" if session.tenant == defaults.tenant else f" -t {session.tenant}"
    return place + ("" if session.workflow == defaults.workflow else f" -w {session.workflow}")
