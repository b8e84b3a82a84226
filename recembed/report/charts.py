"""Charts of a report as Vega-Lite specs, as wide as the page lets them be.

Colours are CSS variables of the page, so that light, dark and paper need no drawing again.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from recembed.errors import MissingExtra
from recembed.metrics.intervals import Interval
from recembed.report.document import Curve, ItemMap
from recembed.report.parts import Key, Spec, number
from recembed.report.plain import to_plain

SPREAD = 50  # times from the least value to the largest that a linear axis still shows


def dots(rows: Sequence[tuple[str, Key, Interval]], axis: str) -> Spec:
    """A point and its interval for each label and key; labels from the top, in their order."""
    alt = _altair()
    labels = list(dict.fromkeys(label for label, _, _ in rows))
    shared = len(rows) > len(labels)
    values = [
        {
            "label": label,
            "key": key.label,
            "value": interval.mean,
            "low": interval.low if interval.known else interval.mean,
            "high": interval.high if interval.known else interval.mean,
            "shown": str(interval) if interval.known else number(interval.mean),
        }
        for label, key, interval in rows
    ]
    legend = {key.label: key for _, key, _ in rows}
    place: dict[str, Any] = {"y": alt.Y("label:N", sort=labels, title=None)}
    if shared:
        place["yOffset"] = alt.YOffset("key:N", sort=list(legend))
    chart = _chart().encode(
        **place,
        x=alt.X("value:Q", title=axis, scale=alt.Scale(zero=False, padding=8)),
        color=_colour(legend),
        tooltip=_tips(label="of", key="model", shown=axis),
    )
    lines = chart.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=axis), x2="high:Q")
    points = chart.mark_point(filled=True, size=55, opacity=1).encode(shape=_shape(legend))
    each = 11 * len(legend) + 12 if shared else 26
    return _spec(lines + points, values, height=each * len(labels))


def curve(curve: Curve, legend: Mapping[str, Key]) -> Spec:
    """A metric by k, a line and the band of its interval for each model."""
    alt = _altair()
    values = [
        {
            "k": k,
            "key": name,
            "value": interval.mean,
            "low": interval.low if interval.known else None,
            "high": interval.high if interval.known else None,
            "shown": str(interval) if interval.known else number(interval.mean),
        }
        for name in legend
        if name in curve.models
        for k, interval in zip(curve.ks, curve.models[name], strict=True)
    ]
    chart = _chart().encode(
        x=alt.X("k:Q", title="k", scale=alt.Scale(zero=False, nice=False)),
        color=_colour(legend),
        tooltip=_tips(key="model", k="k", shown=curve.metric),
    )
    y = alt.Y("low:Q", title=curve.metric, scale=alt.Scale(zero=True))
    bands = chart.mark_area(opacity=0.14).encode(y=y, y2="high:Q", tooltip=alt.value(None))
    line = chart.encode(y=alt.Y("value:Q", title=curve.metric))
    points = line.mark_point(filled=True, size=32, opacity=1).encode(shape=_shape(legend))
    return _spec(bands + line.mark_line(strokeWidth=1.8) + points, values, height=280)


def shares(rows: Mapping[str, Sequence[float]], groups: Mapping[str, Key]) -> Spec:
    """A bar of length one for each row, cut into what the groups have of it."""
    alt = _altair()
    values = [
        {"label": label, "key": group, "value": share, "at": at, "shown": f"{share:.1%}"}
        for label, parts in rows.items()
        for at, (group, share) in enumerate(zip(groups, parts, strict=True))
    ]
    chart = _chart().mark_bar(height=16)
    chart = chart.encode(
        y=alt.Y("label:N", sort=list(rows), title=None),
        x=alt.X("value:Q", stack="zero", title="share", axis=alt.Axis(format="%")).scale(
            domain=[0, 1]
        ),
        color=_colour(groups),
        order="at:O",
        tooltip=_tips(label="of", key="popularity", shown="share"),
    )
    return _spec(chart, values, height=26 * len(rows))


def plane(items: ItemMap, at: Sequence[Sequence[float]], groups: Sequence[Key]) -> Spec:
    """Items as points. Shift and the wheel zoom, shift and a drag move, two clicks go back."""
    alt = _altair()
    values = [
        {"title": title, "key": key.label, "events": events, "x": x, "y": y}
        for title, key, events, (x, y) in zip(items.titles, groups, items.events, at, strict=True)
    ]
    legend = {key.label: key for key in groups}
    zoom = alt.selection_interval(
        bind="scales",
        zoom="wheel![event.shiftKey]",  # the bare wheel scrolls the page
        translate="[pointerdown[event.shiftKey], window:pointerup] > window:pointermove!",
    )
    bare = {"axis": None, "scale": alt.Scale(zero=False, nice=False, padding=12)}
    size = alt.Size("events:Q", scale=alt.Scale(type="sqrt", range=[14, 150]), legend=None)
    chart = _chart().mark_circle(opacity=0.62, clip=True)
    chart = chart.encode(
        x=alt.X("x:Q", **bare),
        y=alt.Y("y:Q", **bare),
        size=size if len(set(items.events)) > 1 else alt.value(40),
        color=_colour(legend),
        tooltip=_tips(title="item", key="category", events="events"),
    )
    return _spec(chart.add_params(zoom), values, height=400)


def price(rows: Sequence[tuple[Key, str, float, float]], legend: Mapping[str, Key]) -> Spec:
    """Recall against exact search, and what it costs: queries a second."""
    alt = _altair()
    values = [
        {
            "key": key.label,
            "way": way,
            "recall": recall,
            "speed": speed,
            "at": at,
            "shown": f"{number(recall)} at {number(speed)} queries/s",
        }
        for at, (key, way, recall, speed) in enumerate(rows)
    ]
    chart = _chart().encode(
        x=alt.X("speed:Q", title="queries/s", **_logarithmic()),
        y=alt.Y("recall:Q", title="recall against exact", scale=alt.Scale(zero=False, padding=8)),
        color=_colour(legend),
        tooltip=_tips(key="index", way="setting", shown="recall"),
    )
    lines = chart.mark_line(strokeWidth=1.5).encode(order="at:O")
    points = chart.mark_point(filled=True, size=60, opacity=1).encode(shape=_shape(legend))
    return _spec(lines + points, values, height=240)


def progress(values: Sequence[float], metric: str, colour: str) -> Spec:
    """Each finished trial's value, and the best so far as a line."""
    alt = _altair()
    finished = [(at, value) for at, value in enumerate(values, start=1) if value == value]
    best = accumulate((value for _, value in finished), max)
    rows = [
        {"trial": at, "value": value, "best": most, "shown": number(value)}
        for (at, value), most in zip(finished, best, strict=True)
    ]
    chart = _chart().encode(
        x=alt.X("trial:Q", axis=alt.Axis(tickMinStep=1, format="d")).scale(
            zero=False, nice=False, padding=8
        ),
        tooltip=_tips(trial="trial", shown=metric),
    )
    y = {"title": metric, "scale": alt.Scale(zero=False)}
    line = chart.mark_line(interpolate="step-after", color=colour, strokeWidth=2)
    points = chart.mark_circle(size=36, opacity=0.75, color="var(--quiet)")
    both = line.encode(y=alt.Y("best:Q", **y)) + points.encode(y=alt.Y("value:Q", **y))
    return _spec(both, rows)


def response(tried: Iterable[tuple[Any, float]], name: str, metric: str, colour: str) -> Spec:
    """The metric by the values of one hyperparameter; the best trial stands out."""
    alt = _altair()
    pairs = list(tried)
    top = max(value for _, value in pairs)
    plain = all(isinstance(x, int | float) and not isinstance(x, bool) for x, _ in pairs)
    rows = [
        {
            "x": x if plain else str(x),
            "value": value,
            "best": value == top,
            "shown": number(value),
        }
        for x, value in pairs
    ]
    positive = [x for x, _ in pairs if plain and x > 0]
    wide = len(positive) == len(pairs) and max(positive) >= SPREAD * min(positive)
    scaled = _logarithmic() if wide else {"scale": alt.Scale(zero=False, padding=8)}
    upright = alt.Axis(labelAngle=0)
    x = alt.X("x:Q", title=name, **scaled) if plain else alt.X("x:N", title=name, axis=upright)
    chart = _chart().mark_circle(opacity=0.75)
    chart = chart.encode(
        x=x,
        y=alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False)),
        color=alt.condition("datum.best", alt.value(colour), alt.value("var(--quiet)")),
        size=alt.condition("datum.best", alt.value(110), alt.value(36)),
        tooltip=_tips(x=name, shown=metric),
    )
    return _spec(chart, rows)


def _altair() -> Any:
    try:
        import altair
    except ImportError as error:
        raise MissingExtra("a page with charts", "report") from error
    return altair


def _chart() -> Any:
    """A chart of the rows that `_spec` adds: Altair would hold each of them to its schema."""
    alt = _altair()
    return alt.Chart(alt.NamedData("rows"))


def _rounded(value: Any) -> Any:
    """Six digits draw the same chart as sixteen, on a page half as large."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _colour(legend: Mapping[str, Key]) -> Any:
    """The page draws the legend, so that it wraps where it is narrow."""
    alt = _altair()
    scale = alt.Scale(domain=list(legend), range=[key.colour for key in legend.values()])
    return alt.Color("key:N", scale=scale, legend=None)


def _shape(legend: Mapping[str, Key]) -> Any:
    alt = _altair()
    scale = alt.Scale(domain=list(legend), range=[key.shape for key in legend.values()])
    return alt.Shape("key:N", scale=scale, legend=None)


def _logarithmic() -> dict[str, Any]:
    """Without the crowd of lines between the powers of ten."""
    alt = _altair()
    scale = alt.Scale(type="log", nice=False, padding=12)
    return {"scale": scale, "axis": alt.Axis(grid=False, ticks=True, labelFlush=True)}


def _tips(**titles: str) -> list[Any]:
    """What hovering shows: fields that are written as they shall be read."""
    alt = _altair()
    return [alt.Tooltip(field, type="nominal", title=title) for field, title in titles.items()]


def _spec(chart: Any, rows: list[dict[str, Any]], height: int = 180) -> Spec:
    """What the page hands to Vega: it knows the version, and sets fonts and lines itself.

    What is not known in a row is null, since JSON has no nan.
    """
    spec: Spec = chart.properties(width="container", height=height).to_dict(validate=False)
    kept = {name: part for name, part in spec.items() if name not in ("$schema", "config")}
    short = [{name: _rounded(value) for name, value in row.items()} for row in rows]
    return {**kept, "datasets": {"rows": to_plain(short)}}
