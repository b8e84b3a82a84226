"""A report as one page of HTML that needs nothing beside it: no network, no other file."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from recembed.errors import MissingExtra
from recembed.metrics.intervals import Interval
from recembed.report.contents import contents
from recembed.report.document import Listed, Report
from recembed.report.parts import Cell, Code, Figure, Key, Panel, Spec, Table, number, shown

KINDS = {
    "table": Table,
    "figure": Figure,
    "code": Code,
    "key": Key,
    "listed": Listed,
    "several": tuple,
}


def html(report: Report) -> str:
    """The page: text, tables, and charts that a script in it draws.

    Only the two scripts that are named by their hash may run, and nothing may be fetched: a title
    or a model's name cannot do what it says.

    Raises: MissingExtra without altair, jinja2 or vl_convert.
    """
    runtime, script = _runtime(), _file("page.js")
    specs: list[Spec] = []

    def draw(panel: Panel) -> int:
        specs.append(panel.draw())
        return len(specs) - 1

    page: str = _template().render(
        report=report,
        sections=contents(report),
        specs=specs,
        draw=draw,
        style=_file("page.css"),
        scripts=(runtime, script),
        hashes=" ".join(map(_hash, (runtime, script))),
    )
    return page


def _template() -> Any:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtra("a page of HTML", "report") from error
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.filters |= {"shown": shown, "number": number}
    environment.tests |= {
        "interval": _known,
        "numeric": _numeric,
        **{name: _is(kind) for name, kind in KINDS.items()},
    }
    return environment.from_string(_file("page.html"))


def _is(kind: type) -> Any:
    return lambda value: isinstance(value, kind)


def _known(cell: Cell) -> bool:
    return isinstance(cell, Interval) and cell.known


def _numeric(cell: Cell) -> bool:
    return cell is None or isinstance(cell, int | float | Interval)


def _runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script."""
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtra("a page with charts", "report") from error
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # optional there
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _file(name: str) -> str:
    return files("recembed.report").joinpath(name).read_text(encoding="utf-8")
