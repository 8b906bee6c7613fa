"""By what rules and policies know a request: its metadata, its model and its provider."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a request is known by; `metadata` holds only what the gateway kept of it."""

    provider: str
    model: str
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def model_names(self) -> tuple[str, str]:
        """The model's name as the request has it, and the standard `provider/model`."""
        prefix = f"{self.provider}/"
        bare = self.model.removeprefix(prefix)
        return bare, prefix + bare


def to_text(value: Scalar) -> str:
    """A metadata value as text, the way JavaScript would print it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return str(value)


def number_text(value: Decimal) -> str:
    """A decimal without trailing zeros or exponent: 100, 0.002."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
