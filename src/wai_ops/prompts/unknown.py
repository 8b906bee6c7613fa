"""A value that nobody knows yet: what the stable prefix of a prompt is found with.

It goes through filters and arithmetic as itself. Where the text begins to depend on it, by being
printed, tested or gone through, `PrefixEnds` says so.
"""

from typing import Any, NoReturn


class PrefixEnds(Exception):  # noqa: N818 - not an error
    """The text depends on a variable from here on."""

    def __init__(self, variable: str) -> None:
        super().__init__(variable)
        self.variable = variable


class Unknown:
    """Stands for the value of a variable, or for anything made from it."""

    __slots__ = ("variable",)
    __hash__ = None  # type: ignore[assignment]  # it is no key of anything

    def __init__(self, variable: str) -> None:
        self.variable = variable

    def ends(self, *_: Any, **__: Any) -> NoReturn:
        """Say that the text depends on this value."""
        raise PrefixEnds(self.variable)

    __str__ = __repr__ = __bool__ = __iter__ = __len__ = __contains__ = ends
    __int__ = __float__ = __index__ = __format__ = ends

    def same(self, *_: Any, **__: Any) -> "Unknown":
        """What is made from this value is as unknown as it is."""
        return self

    __getitem__ = __call__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = same  # type: ignore[assignment]  # a comparison of what is unknown is unknown
    __neg__ = __pos__ = same

    def __getattr__(self, name: str) -> "Unknown":
        """Give an attribute, which is unknown; names with an underscore belong to Python."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self


def first_unknown(*values: Any) -> Unknown | None:
    """The first of the values that is unknown."""
    return next((value for value in values if isinstance(value, Unknown)), None)
