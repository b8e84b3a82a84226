"""What a written report is made of: sections of text, tables, figures and code."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from recembed.metrics.intervals import Interval
from recembed.report.document import Listed

Spec: TypeAlias = dict[str, Any]  # of Vega-Lite


@dataclass(frozen=True)
class Key:
    """How a name looks wherever it is drawn: CSS of its colour, SVG path of its shape."""

    label: str
    colour: str
    shape: str

    def __str__(self) -> str:
        return self.label


Cell: TypeAlias = str | int | float | bool | Interval | Key | Listed | tuple[str, ...] | None


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header; the first cell names the row.

    folded: a page shows it when asked to. printed: whether paper gets it too.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    printed: bool = True


@dataclass(frozen=True)
class Panel:
    """One chart. about: what it shows, for those who do not see it. draw: makes its spec."""

    title: str
    about: str
    draw: Callable[[], Spec]


@dataclass(frozen=True)
class Figure:
    """Charts that are read together, and the figures they are drawn from."""

    panels: tuple[Panel, ...]
    tables: tuple[Table, ...]
    legend: tuple[Key, ...] = ()
    wide: bool = False


@dataclass(frozen=True)
class Code:
    """Text to be copied."""

    text: str


Block: TypeAlias = str | Table | Figure | Code


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; name: its address in the page."""

    name: str
    title: str
    blocks: tuple[Block, ...]


# Circle, square, diamond, triangle up, triangle down, cross: told apart without their colour.
SHAPES = (
    "M0,-.9A.9,.9,0,1,1,0,.9A.9,.9,0,1,1,0,-.9Z",
    "M-.8,-.8H.8V.8H-.8Z",
    "M0,-1L1,0L0,1L-1,0Z",
    "M0,-.9L1,.8H-1Z",
    "M0,.9L1,-.8H-1Z",
    "M-.3,-1H.3V-.3H1V.3H.3V1H-.3V.3H-1V-.3H-.3Z",
)
COLOURS = 10  # --c0 .. --c9 of page.css, one set for light and one for dark


def keys(labels: Iterable[str], *, shaped: bool = True) -> dict[str, Key]:
    """A look for each label, the same wherever the labels come in the same order."""
    return {
        label: Key(
            label, f"var(--c{at % COLOURS})", SHAPES[at % len(SHAPES)] if shaped else SHAPES[0]
        )
        for at, label in enumerate(labels)
    }


def shades(labels: Iterable[str]) -> dict[str, Key]:
    """From full to faint, for labels that have an order."""
    names = list(labels)
    step = 82 / max(len(names) - 1, 1)  # the last keeps 18 %: it still stands out from the page
    return {
        name: Key(
            name,
            f"color-mix(in oklab, var(--accent) {100 - step * at:.0f}%, var(--page))",
            SHAPES[1],
        )
        for at, name in enumerate(names)
    }


def short(text: str, letters: int) -> str:
    """No more than so many letters of a text, the last of them … where it goes on."""
    return text if len(text) <= letters else text[: letters - 1] + "…"


def pairs(title: str, values: Mapping[str, Cell], header: tuple[str, str]) -> Table:
    """A mapping as a table."""
    return Table(title, header, tuple(values.items()))


def shown(cell: Cell) -> str:
    """A cell as text."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, Interval):
        return str(cell) if cell.known else number(cell.mean)
    if isinstance(cell, Listed):
        return f"✓ {cell.title}" if cell.hit else cell.title
    if isinstance(cell, tuple):
        return " · ".join(cell)
    if isinstance(cell, float | int) or cell is None:
        return number(cell)
    return str(cell)


def number(value: float | None) -> str:
    """Four places for what is small, thousands for what is large."""
    if value is None or value != value:
        return "unknown"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if value and abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"
