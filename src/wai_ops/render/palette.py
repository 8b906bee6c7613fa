"""The colours of charts, as they stand in an SVG before the page's theme takes over.

Seven colours that stay apart under the three kinds of colour blindness and against white; the dark
theme's seven stand in `templates/report.css`. A test computes both claims.
"""

TONES = ("#0072b2", "#c77700", "#4fa257", "#be185d", "#7c3aed", "#92400e")
"""One a series, in this order."""
OTHER = "#8c959f"
"""What was left over."""
INK = "#1b1f24"
DIM = "#57606a"
LINE = "#d8dee4"
PAPER = "#ffffff"

CLASSES = {
    **{tone: f"t{number}" for number, tone in enumerate(TONES, start=1)},
    OTHER: "t0",
    INK: "ink",
    DIM: "dim",
    LINE: "line",
    PAPER: "paper",
}
"""Colour -> the name under which the page's style sheet knows it, in light and in dark."""


def tone_of(index: int, *, is_other: bool) -> str:
    """The colour of the series at `index`."""
    return OTHER if is_other else TONES[index % len(TONES)]
