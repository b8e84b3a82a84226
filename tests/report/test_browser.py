"""The page in a browser without a network: what is drawn, reached by keyboard, and printed."""

import shutil

import pytest

from recembed.report.page import html

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no browser: {', '.join(NAMES)}")

DRAWN = "[...document.querySelectorAll('.chart')].every(each => each.querySelector('svg'))"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LUMINANCE = """(() => {
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
  return (r + g + b) / 765;
})()"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html(report), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def opened(browser, address):
    """Opens the page as a reader would: the page, and all that it complained of."""
    contexts = []

    def open_page(url=address, **settings):
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: said.append(f"request: {request.url}"))
        page.goto(url)
        page.wait_for_function(DRAWN)
        assert said.pop(0) == f"request: {url}"
        return page, said

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def light(opened):
    return opened(viewport={"width": 1280, "height": 900})


def test_it_opens_without_a_complaint_or_a_request(light):
    assert light[1] == []


def test_charts_keep_what_they_are_called(light):
    page, _ = light
    labels = page.eval_on_selector_all(".chart", "all => all.map(each => each.ariaLabel)")
    assert "Vega visualization" not in labels
    assert page.get_by_role("img", name="300 items on a plane by PCA").count() == 1


def test_every_chart_is_drawn_with_marks(light):
    page, _ = light
    marks = page.eval_on_selector_all(
        ".chart",
        """charts => charts.map(chart => [
            chart.previousElementSibling.textContent,
            [...chart.querySelectorAll("svg .role-mark path, svg .role-mark line")].filter(
                mark => mark.getAttribute("d") || mark.getBoundingClientRect().width
            ).length,
        ])""",
    )
    assert len(marks) == len(page.query_selector_all(".panel")) > 20
    assert [title for title, count in marks if count == 0] == []
    assert dict(marks)["PCA"] == dict(marks)["t-SNE"] == 300
    assert dict(marks)["recall@10 of each model"] == 10  # a point and an interval for each


def test_colours_of_models_are_those_of_the_page(light):
    page, _ = light
    first = page.eval_on_selector(
        "#verdict .role-mark.mark-symbol path", "mark => getComputedStyle(mark).fill"
    )
    legend = page.eval_on_selector(".legend path", "mark => getComputedStyle(mark).fill")
    assert first == legend == "rgb(0, 114, 178)"


def test_hovering_an_item_shows_its_title_as_text(light):
    page, said = light
    chart = page.get_by_role("img", name="items on a plane by PCA")
    chart.scroll_into_view_if_needed()
    chart.locator(".role-mark path").first.hover(force=True)
    tip = page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert "item" in tip.inner_text()
    assert "category" in tip.inner_text()
    assert tip.locator("script, b, i").count() == 0
    assert said == []


def test_all_is_reached_by_tab(light):
    page, _ = light
    wanted = 1 + len(page.query_selector_all("nav a, .chart, summary, pre"))
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = []
    for _ in range(4 * wanted):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """(() => {
                    const at = document.activeElement;
                    if (at === document.body) return "";
                    const kind = at.className || at.tagName.toLowerCase();
                    return `${kind} ${at.hash ?? at.dataset.spec ?? at.textContent.slice(0, 40)}`;
                })()"""
            )
        )
        if reached[-1] == "":
            break
    assert reached[0] == "skip #report"
    assert [each for each in reached if each.startswith("a #")] == [
        f"a {link}" for link in page.eval_on_selector_all("nav a", "all => all.map(a => a.hash)")
    ]
    charts = [each for each in reached if each.startswith("chart ")]
    assert charts == [f"chart {at}" for at in range(len(page.query_selector_all(".chart")))]
    summaries = [each for each in reached if each.startswith("summary ")]
    assert len(summaries) == len(page.query_selector_all("summary"))


def test_the_skip_link_shows_itself_and_leads_to_the_report(light):
    page, _ = light
    link = page.locator(".skip")
    link.focus()
    assert link.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "report"


def test_a_table_opens_by_keyboard(light):
    page, _ = light
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.locator("table").is_visible()


def test_it_is_dark_where_the_reader_wants_it_and_paper_stays_light(opened):
    page, said = opened(color_scheme="dark", viewport={"width": 1280, "height": 900})
    assert page.evaluate(LUMINANCE) < 0.2
    ink = "getComputedStyle(document.querySelector('.role-axis-label text')).fill"
    assert sum(map(int, page.evaluate(ink)[4:-1].split(","))) > 3 * 128
    page.emulate_media(media="print")
    assert page.evaluate(LUMINANCE) == 1
    assert said == []


def test_a_phone_scrolls_down_only(opened):
    page, said = opened(viewport={"width": 360, "height": 740}, has_touch=True)
    assert page.evaluate(OVERFLOW) == 0
    widest = page.eval_on_selector_all(
        ".chart svg", "all => Math.max(...all.map(each => each.getBoundingClientRect().right))"
    )
    assert widest <= 360
    for summary in page.query_selector_all("summary"):
        summary.evaluate("each => { each.parentElement.open = true; }")
    assert page.evaluate(OVERFLOW) == 0
    assert said == []


def test_it_prints_with_its_tables_opened(light):
    page, _ = light
    page.evaluate(
        """addEventListener("beforeprint", () => {
            window.printed = document.querySelectorAll("details:not([open]):not(.screen)").length;
        })"""
    )
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert len(printed) > 50_000
    assert page.evaluate("window.printed") == 0


def test_a_report_of_next_to_nothing_opens_too(opened, bare, tmp_path):
    path = tmp_path / "bare.html"
    path.write_text(html(bare), encoding="utf-8")
    page, said = opened(path.as_uri())
    assert said == []
    assert len(page.query_selector_all(".chart svg")) == 1
