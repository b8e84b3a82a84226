"""The page as text: what is in it, in which order, and that nobody's words do anything."""

import base64
import builtins
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from recembed.errors import MissingExtra
from recembed.metrics.intervals import Interval
from recembed.report.document import Comparison, Example, Finding, Listed, Search, Slice, Trial
from recembed.report.markdown import markdown
from recembed.report.page import html

VOID = {"meta", "link", "br", "path"}
NAN = float("nan")


class Page(HTMLParser):
    """Tags with their attributes, the text outside of scripts, and what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts, self.scripts = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        kept = self.scripts if self.open[-1:] == ["script"] else self.texts
        kept.append(data)

    def all(self, tag):
        return [attributes for each, attributes in self.tags if each == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def source(report):
    return html(report)


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def specs(source):
    return json.loads(re.search(r'id="specs">(.*?)</script>', source, re.DOTALL)[1])


def test_every_tag_is_closed_and_every_id_is_one(page):
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_sections_stand_in_their_order_and_in_the_contents(page):
    names = [each["id"] for each in page.all("section")]
    assert names == [
        *("verdict", "models", "curves", "slices", "beyond", "items", "examples", "index"),
        *("searches", "audit", "setting"),
    ]
    assert [each["href"] for each in page.all("a")] == ["#report", *(f"#{name}" for name in names)]


def test_the_verdict_is_what_is_read_first(page):
    text = page.text
    verdict = text.index("item2vec leads ease on recall@10 by 0.0170 [0.0090, 0.0250]")
    assert verdict < text.index("How sure:") < text.index("hit_rate@10")


def test_every_chart_has_its_spec_and_says_what_it_shows(page, source):
    charts = [each for each in page.all("div") if each.get("class") == "chart"]
    drawn = specs(source)
    assert [int(each["data-spec"]) for each in charts] == list(range(len(drawn)))
    for each in charts:
        assert (each["tabindex"], each["role"]) == ("0", "img")
        assert len(each["aria-label"]) > 20
    assert all(spec["width"] == "container" for spec in drawn)


def test_every_figure_has_its_data_in_tables(source):
    for figure in re.findall(r"<figure.*?</figure>", source, re.DOTALL):
        assert "<table>" in figure


def test_a_model_has_one_colour_in_all_charts(source):
    seen = {}
    for spec in specs(source):
        for layer in spec.get("layer", [spec]):
            scale = layer["encoding"].get("color", {}).get("scale", {})
            if "item2vec" in scale.get("domain", ()):
                for name, colour in zip(scale["domain"], scale["range"], strict=True):
                    seen.setdefault(name, set()).add(colour)
    assert seen == {
        name: {f"var(--c{at})"}
        for at, name in enumerate(["item2vec", "ease", "item-knn", "als <b>", "popularity"])
    }


def test_words_of_users_are_shown_and_never_become_tags(page):
    assert not page.all("b") + page.all("i")
    text = page.text
    for title in (
        "<script>alert(1)</script>",
        'The "best" of O\'Neill & Söhne',
        "קפה שחור חזק",
        "Crème brûlée 🍮 </script><!--",
        "{{ 7 * 7 }} ${x} `y` | z",
        "als <b>",
        "u<42>",
        "</pre><b>log.csv",
    ):
        assert title in text, title


def test_only_the_scripts_that_are_named_may_run(page, source):
    kinds = [each.get("type") for each in page.all("script")]
    assert kinds == ["application/json", None, None]
    (policy,) = [each["content"] for each in page.all("meta") if "http-equiv" in each]
    allowed = re.search(r"script-src ([^;]*)", policy)[1].split()
    told = re.findall(r"<script>(.*?)</script>", source, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in told]
    assert allowed == [f"'sha256-{each}'" for each in hashes]
    assert policy.startswith("default-src 'none'")
    assert not [name for _, each in page.tags for name in each if name.startswith("on")]


def test_nothing_outside_is_referred_to(page):
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in "".join(page.texts)
    assert "@import" not in "".join(page.texts)


def test_ids_of_users_are_only_where_they_were_asked_for(report):
    hidden = replace(report, examples=tuple(replace(each, user=None) for each in report.examples))
    assert "u&lt;42&gt;" in html(report)
    assert "u&lt;42&gt;" not in html(hidden)


def test_hits_are_marked_in_words_too(page):
    hits = [each for each in page.all("td") if each.get("class") == "hit"]
    assert len(hits) == page.text.count("✓ ") - page.text.count("are marked ✓ ") > 0


def test_a_large_report_stays_below_three_megabytes(big):
    assert len(html(big).encode()) < 3e6


def test_whole_descriptions_instead_of_titles_are_cut(report, source):
    book = "Call me Ishmael. " * 600
    tale = [Listed(f"{place} {book}", place == 1) for place in range(10)]
    case = Example(None, (book,) * 10, (book,), (book,), dict.fromkeys(report.models, tuple(tale)))
    parts = [replace(each, label=f"{at} {book}") for at, each in enumerate(report.slices)]
    long = replace(report, examples=(case,) * 5, slices=tuple(parts))
    page, text = html(long), markdown(long)
    assert "Call me Ishmael. Call" in page
    assert "Call me Ishmael. Call" in text
    assert book[:201] not in page + text
    assert len(page) < len(source) + 200_000


def test_parts_that_a_report_lacks_leave_no_hole(bare):
    page = Page(html(bare))
    assert [each["id"] for each in page.all("section")] == ["verdict", "models", "audit", "setting"]
    assert "nan" not in page.text.replace(bare.verdict, "")
    assert "popularity has recall@10" in page.text


def test_what_is_not_known_is_no_number_in_a_chart(report):
    unknown = Interval(NAN, NAN, NAN)
    empty = Slice(
        "history length", "none", 0, 0, "recall@10", dict.fromkeys(report.models, unknown)
    )
    details = {name: {"novelty@10": NAN} for name in report.models}
    made = html(replace(report, slices=(empty,), details=details))
    assert "NaN" not in re.search(r'id="specs">(.*?)</script>', made, re.DOTALL)[1]


def test_searches_that_finished_nothing_are_told_in_words(report):
    search = Search("recall@10", 0.1, (Trial(NAN, "failed", 1.0, {"dim": 8}),))
    page = Page(html(replace(report, searches={"als": search})))
    assert "als: none of 1 trials was finished (10% of the users)." in page.text


def test_settings_of_any_kind_are_drawn(report):
    values = [None, True, "a", 0, -1.5, 1e-9]
    trials = tuple(
        Trial(0.1 * at, "complete", 1.0, {"mixed": value, "number": at})
        for at, value in enumerate(values)
    )
    page = Page(html(replace(report, searches={"als": Search("recall@10", 1, trials)})))
    assert "als: mixed" in page.text
    assert "als: number" in page.text


def test_a_leak_is_in_the_verdict_and_in_the_audit(report):
    leak = Finding("leak", "time", "12 test events are older than the newest they follow")
    text = Page(html(replace(report, findings=(leak,)))).text
    assert "Not to be trusted: the audit found 1 leak" in text
    assert "12 test events are older than the newest they follow" in text


def test_an_audit_without_a_leak_says_so(report, bare):
    assert "The audit found no leak." in Page(html(report)).text  # it has a note
    assert "The audit found no leak." in Page(html(bare)).text
    leak = Finding("leak", "time", "12 test events are older than the newest they follow")
    assert "found no leak" not in Page(html(replace(report, findings=(leak,)))).text


def test_the_verdict_says_what_was_asked_and_when_it_begins_and_ends(report):
    moments = {"test_from": 86_400, "valid_from": 60, "valid_until": 86_400}
    rules = {"test_rule": "time:-1d", "valid_rule": "time:-2d..-1d", "moments": moments}
    asked = {
        "test": "the test part, held out by time:-1d, from 1970-01-02T00:00:00Z.",
        "valid": "the valid part, held out by time:-2d..-1d, from 1970-01-01T00:01:00Z "
        "until 1970-01-02T00:00:00Z.",
    }
    for on, told in asked.items():
        text = Page(html(replace(report, setting={**rules, "evaluated_on": on}))).text
        assert text.index("leads ease") < text.index(f"What was asked: {told}")


def test_one_row_is_no_rows(report, page):
    one = Page(html(replace(report, slices=report.slices[:1]))).text
    assert "By history length (1 row)" in one
    assert "By history length (4 rows)" in page.text


def test_pairs_tell_their_probabilities(report):
    pair = Comparison("recall@10", "item2vec", "ease", Interval(0.01, -0.01, 0.02), 0.2, NAN)
    made = Page(html(replace(report, comparisons=(pair,)))).text
    assert "0.200 unknown no" in made


@pytest.mark.parametrize("missing", ["altair", "jinja2", "vl_convert"])
def test_a_package_that_is_missing_is_named_with_its_extra(report, monkeypatch, missing):
    real = builtins.__import__

    def without(name, *rest, **named):
        if name.split(".")[0] == missing:
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"recembed\[report\]"):
        html(report)
