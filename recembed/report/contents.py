"""A report as sections, in the order they are read in; Markdown and the page both write these."""

from recembed.report.document import Report
from recembed.report.evidence import evidence
from recembed.report.parts import Section
from recembed.report.results import results


def contents(report: Report) -> list[Section]:
    """The sections that the report has something for."""
    return [*results(report), *evidence(report)]
