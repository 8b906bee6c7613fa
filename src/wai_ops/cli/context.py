"""What every command gets: time, chance, environment and settings, all of them replaceable."""

import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from wai_ops.config.settings import Settings
from wai_ops.core.clock import Clock, SystemClock


@dataclass
class AppContext:
    """The surroundings of one command."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    cwd: Path = field(default_factory=Path.cwd)
    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.Random)

    @cached_property
    def settings(self) -> Settings:
        """The settings, loaded on first use. Raises UsageError with every problem of the file."""
        from wai_ops.config.load import load_settings

        return load_settings(cwd=self.cwd, environ=self.environ)

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether progress may be drawn."""
        return sys.stderr.isatty()
