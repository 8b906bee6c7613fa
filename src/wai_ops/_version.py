"""The package's version, alone in a module so that `wai --version` imports nothing else."""

__version__ = "0.1.0"
