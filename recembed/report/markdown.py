"""A report as Markdown: the page's text and tables, without its charts."""

from collections.abc import Iterator, Sequence

from recembed.report.contents import contents
from recembed.report.document import Report
from recembed.report.parts import Block, Code, Figure, Table, shown

ROWS = 100  # more are not read in Markdown


def markdown(report: Report) -> str:
    """All sections of the page; tables are cut after their first 100 rows, and say so."""
    parts = ["# Evaluation"]
    for section in contents(report):
        parts.append(f"## {section.title}")
        parts += [text for block in section.blocks for text in _block(block)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, str):
        yield _plain(block)
    elif isinstance(block, Code):
        fence = "```"
        while fence in block.text:
            fence += "`"
        yield f"{fence}\n{block.text}\n{fence}"
    elif isinstance(block, Figure):
        for table in block.tables:
            yield from _table(table)
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    yield f"### {_plain(table.title)}"
    rows = [[shown(cell) for cell in row] for row in table.rows[:ROWS]]
    yield _grid([table.header, *rows])
    if len(table.rows) > ROWS:
        yield f"{len(table.rows) - ROWS:,} more are in report.json."


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in "\\`*_|<":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.replace("](", "]\\(").split())


def _grid(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)
