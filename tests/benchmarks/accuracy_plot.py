"""nDCG of every model by what its training took, on ML-1M, Beauty and CDs, as one SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from benchmarks.accuracy import outcomes
from benchmarks.accuracy_data import DATA
from benchmarks.accuracy_evidence import Outcome

FILE = Path(__file__).with_name("accuracy.svg")
TITLES = {
    "ml1m": "MovieLens-1M, next film",
    "beauty": "Amazon Beauty, next product",
    "cds": "Amazon CDs, no order",
}
QUICK = 0.01  # seconds; popularity takes less
WIDTH, HEIGHT = 290, 300  # pixels of a panel
DOT, LETTER, LINE = 7, 5.4, 11  # pixels: across a dot, and of a label
AROUND = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


@dataclass(frozen=True)
class Point:
    """A row of the table."""

    label: str
    seconds: float
    ndcg: float
    on_gpu: bool = False


@dataclass(frozen=True)
class Box:
    """Pixels from the middle."""

    x: float
    y: float
    width: float
    height: float

    def over(self, other: "Box") -> float:
        """The area that both cover."""
        across = (self.width + other.width) / 2 - abs(self.x - other.x)
        down = (self.height + other.height) / 2 - abs(self.y - other.y)
        return max(across, 0) * max(down, 0)

    @property
    def outside(self) -> float:
        """By how much it leaves the panel on the right or left."""
        return max(0.0, self.x + self.width / 2 - WIDTH, self.width / 2 - self.x)


@dataclass(frozen=True)
class Axes:
    """Where a panel ends: seconds from QUICK to `slowest`, nDCG from 0 to `best`."""

    slowest: float
    best: float

    @classmethod
    def around(cls, points: Sequence[Point]) -> "Axes":
        """All of them, up to a power of ten and a round number."""
        slowest = 10 ** math.ceil(math.log10(max(point.seconds for point in points)))
        best = math.ceil(100 * max(point.ndcg for point in points) + 0.2) / 100
        return cls(slowest, best)

    def at(self, point: Point) -> Box:
        """Where its dot stands."""
        share = math.log(point.seconds / QUICK) / math.log(self.slowest / QUICK)
        return Box(WIDTH * share, HEIGHT * (1 - point.ndcg / self.best), DOT, DOT)

    def value(self, box: Box) -> dict[str, float]:
        """What stands at the middle of a box."""
        seconds = QUICK * (self.slowest / QUICK) ** (box.x / WIDTH)
        return {"seconds": seconds, "ndcg": self.best * (1 - box.y / HEIGHT)}


def plot(file: Path = FILE) -> Path:
    """Draw the rows whose evidence is there."""
    found = outcomes(all_=False)
    panels = [
        panel(title, points_of(found[data].values(), f"ndcg{DATA[data].k}"), f"nDCG@{DATA[data].k}")
        for data, title in TITLES.items()
    ]
    chart = alt.hconcat(*panels, spacing=30).configure(background="white")
    file.write_text(vl_convert.vegalite_to_svg(chart.to_dict()))
    return file


def points_of(table: Iterable[Outcome], metric: str) -> list[Point]:
    """A point a row."""
    return [
        Point(
            row.label,
            max(row.seconds, QUICK),
            float(row.values[metric].mean()),
            row.on_gpu,
        )
        for row in table
    ]


def panel(title: str, points: Sequence[Point], metric: str) -> Any:
    """Dots (on a GPU: triangles) and their labels."""
    axes = Axes.around(points)
    x = alt.X("seconds:Q", title="seconds of training").axis(grid=False, tickCount=6)
    x = x.scale(type="log", domain=[QUICK, axes.slowest])
    y = alt.Y("ndcg:Q", title=metric).scale(domain=[0, axes.best], nice=False)
    dots = [
        {
            "seconds": each.seconds,
            "ndcg": each.ndcg,
            "shape": "triangle" if each.on_gpu else "circle",
        }
        for each in points
    ]
    words = [
        axes.value(box) | {"label": point.label}
        for point, box in zip(points, labels(points, axes), strict=True)
    ]
    shape = alt.Shape("shape:N", scale=None)
    marks = alt.Chart(alt.InlineData(dots)).mark_point(
        size=DOT**2, filled=True, opacity=1, color="#2f6f9f"
    )
    text = alt.Chart(alt.InlineData(words)).mark_text(fontSize=10).encode(x=x, y=y, text="label:N")
    return (marks.encode(x=x, y=y, shape=shape) + text).properties(
        width=WIDTH, height=HEIGHT, title=title
    )


def labels(points: Sequence[Point], axes: Axes) -> list[Box]:
    """A place beside each dot, where it covers least of the dots and of the labels before it."""
    taken = [axes.at(point) for point in points]
    found = []
    for point in points:
        box = min(_beside(point, axes), key=lambda box: _cost(box, taken))
        taken.append(box)
        found.append(box)
    return found


def _beside(point: Point, axes: Axes) -> list[Box]:
    dot, width = axes.at(point), LETTER * len(point.label)
    away = (DOT + width) / 2 + 2, (DOT + LINE) / 2
    return [
        Box(dot.x + right * away[0], dot.y + down * away[1], width, LINE) for right, down in AROUND
    ]


def _cost(box: Box, taken: Sequence[Box]) -> float:
    return sum(box.over(other) for other in taken) + LINE * box.outside
