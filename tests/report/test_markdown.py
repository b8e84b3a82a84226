"""The Markdown twin: the page's sections, as tables."""

from dataclasses import replace

from recembed.report.contents import contents
from recembed.report.document import Finding
from recembed.report.markdown import markdown
from recembed.report.parts import Figure, Table


def headings(text, mark="## "):
    return [line.removeprefix(mark) for line in text.splitlines() if line.startswith(mark)]


def test_it_has_every_section_and_table_of_the_page(report):
    sections = contents(report)
    written = markdown(report)
    assert headings(written) == [section.title for section in sections]
    blocks = [block for section in sections for block in section.blocks]
    tables = [block for block in blocks if isinstance(block, Table)]
    tables += [table for block in blocks if isinstance(block, Figure) for table in block.tables]
    assert len(headings(written, "### ")) == len(tables)


def test_it_leads_with_the_verdict_and_the_deciding_k(report):
    lines = markdown(report).splitlines()
    assert lines[:3] == ["# Evaluation", "", "## Verdict"]
    assert lines[4].startswith("item2vec leads ease on recall@10 by 0.0170 [0.0090, 0.0250]")
    at = lines.index("### At 10")
    assert lines[at + 2].startswith("| model | recall@10 | ndcg@10 | mrr@10 |")
    assert lines[at + 4].startswith("| item2vec | 0.1680 [0.1600, 0.1760] | ")


def test_the_deciding_metric_comes_first_at_its_k(report):
    lines = markdown(replace(report, metric="ndcg@20")).splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("### At"))
    assert lines[at] == "### At 20"
    assert lines[at + 2].startswith("| model | ndcg@20 | recall@20 |")


def test_what_people_wrote_stays_text(report):
    written = markdown(report)
    assert "| als \\<b> |" in written
    assert "{{ 7 \\* 7 }} ${x} \\`y\\` \\| z" in written
    assert "✓ \\<script>alert(1)\\</script>" in written
    note = replace(report, findings=(Finding("note", "a", "[press](http://x) *here*"),))
    assert "[press]\\(http://x) \\*here\\*" in markdown(note)


def test_every_row_of_a_table_has_its_cells(report):
    header = 0
    for line in markdown(report).splitlines():
        cells = line.replace("\\|", "").count("|")
        header = cells if header == 0 else header
        if not line.startswith("|"):
            header = 0
        else:
            assert cells == header, line


def test_long_tables_are_cut_and_say_so(report):
    assert "200 more are in report.json." in markdown(report)  # of 300 items on the map


def test_code_with_fences_stays_in_its_fence(report):
    text = markdown(replace(report, commands=("echo ```", "ls")))
    assert "````\necho ```\nls\n````" in text


def test_a_report_of_next_to_nothing_has_no_empty_parts(bare):
    written = markdown(bare)
    assert headings(written) == ["Verdict", "Models", "Audit and definitions", "Setting"]
    assert "nan" not in written.split("## Models")[1]
