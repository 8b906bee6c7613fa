"""What is wrong with a prompt: one error class, always with its place in the files."""

from wai_ops.core.errors import UsageError


class PromptError(UsageError):
    """A prompt file, a reference to one, or the lock is wrong; `where` is `file:line:column`."""
