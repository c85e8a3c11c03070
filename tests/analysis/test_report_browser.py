"""The page in a real browser: sorting, filtering, drawing, keyboard; no errors, no requests, no text that runs."""

from __future__ import annotations

import csv
import re
from itertools import pairwise
from pathlib import Path
from shutil import which

import pytest
from world import Arm, Exam, World

from analysis.report import write_index, write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
EVIL = "<script>window.ran = true</script><img src=x onerror='window.ran = true'>"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    arms = [
        Arm("vanilla"),
        Arm("smart", f"SMART {EVIL}", "smart", gain=6.0, parts=("task", "smoothness")),
        Arm("sda", "SDA", "sda"),
    ]
    exams = [Exam("demo-rte", items=120, votes=True), Exam("demo-cola", "matthews", items=80)]
    claim = {
        "id": "c",
        "sentence": f"SMART helps {EVIL}",
        "contrast": {"a": "smart", "b": "vanilla"},
        "tasks": ["demo-rte"],
        "min_seeds": 2,
        "size": 7.7,
    }
    root = tmp_path_factory.mktemp("browser")
    World(root, arms, exams, texts=True, extra={"claims": [claim], "warnings": [EVIL]}).write()
    write_report(root, "compare")
    write_index(root)
    return root


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, results):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.problems = []
    tab.on("console", lambda m: tab.problems.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda e: tab.problems.append(str(e)))
    tab.on("request", lambda r: tab.problems.append(r.url) if not r.url.startswith("file:") else None)
    tab.goto((results / "reports" / "compare" / "report.html").as_uri())
    yield tab
    assert tab.problems == []
    assert tab.evaluate("window.ran") is None
    context.close()


def column(page, table: str, index: int) -> list[str]:
    return page.eval_on_selector_all(
        f"#{table} tbody tr:not([hidden])", f"rows => rows.map(r => r.cells[{index}].textContent)"
    )


def test_tables_sort_as_numbers_both_ways(page):
    page.locator("summary", has_text="one line per task").click()
    difference = page.locator("#long-table thead button").nth(4)
    difference.click()
    shown = [float(t.replace("−", "-")) for t in column(page, "long-table", 4) if t]
    assert shown == sorted(shown)
    difference.click()
    shown = [float(t.replace("−", "-")) for t in column(page, "long-table", 4) if t]
    assert shown == sorted(shown, reverse=True)
    assert page.locator("#long-table th").nth(4).get_attribute("aria-sort") == "descending"
    assert column(page, "long-table", 4)[-1] == ""  # cells without a number stay last


def test_tables_sort_from_the_keyboard(page):
    page.locator("summary", has_text="one line per task").focus()
    page.keyboard.press("Enter")
    page.locator("#long-table thead button").nth(1).focus()
    page.keyboard.press("Enter")
    names = column(page, "long-table", 1)
    assert names == sorted(names, key=str.lower)


def test_filters_leave_what_matches(page):
    page.locator("summary", has_text="one line per task").click()
    page.locator("input[data-filters='long-table']").fill("cola sda")
    assert column(page, "long-table", 1) == ["SDA"]
    page.set_viewport_size({"width": 390, "height": 900})
    page.locator("input[data-filters='matrix']").fill("sda")
    assert [row.is_visible() for row in page.locator("#matrix tbody tr").all()] == [False, False, True]
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_text("18 runs", exact=True).click()
    page.locator("#runs-filter").fill("demo-rte sda")
    assert page.locator("#runs-count").text_content() == "Showing 3 of 18 runs"
    assert set(column(page, "runs-table", 2)) == {"SDA"}


def test_curves_are_drawn_on_demand(page):
    explorer = page.locator("#explorer")
    assert explorer.locator(".chart svg path").count() == 6  # a band and a line for each of three methods
    explorer.locator("select").nth(1).select_option("smoothness")
    assert explorer.locator(".chart svg path").count() == 2
    explorer.locator("input").check()
    assert explorer.locator(".chart svg path").count() == 3  # one line per seed
    assert "updates" in explorer.locator(".chart svg").get_attribute("aria-label")


def test_the_curves_axes_have_round_numbers_names_and_a_shape_that_suits_the_screen(page):
    explorer = page.locator("#explorer")
    ticks = explorer.locator(".chart svg text").all_text_contents()
    assert {"update", "nats, unweighted", "0", "10", "20", "30", "40"} <= set(ticks)
    assert explorer.locator(".chart svg").get_attribute("viewBox").startswith("0 0 720")
    page.set_viewport_size({"width": 390, "height": 900})
    explorer.locator("input").check()
    assert explorer.locator(".chart svg").get_attribute("viewBox").startswith("0 0 380")


def test_a_method_switched_off_leaves_every_figure_and_paper_still_has_it(page):
    marks = page.locator("svg [data-row='smart']")
    shown = "all => all.filter(each => getComputedStyle(each).display !== 'none').length"
    drawn = marks.evaluate_all(shown)
    assert drawn > 10
    button = page.locator("#figures [data-method='smart'] button")
    button.click()
    assert marks.evaluate_all(shown) == 0
    assert page.locator("#explorer svg path").count() == 4  # two methods are left
    page.emulate_media(media="print")
    assert marks.evaluate_all(shown) == drawn
    page.emulate_media(media="screen")
    button.press("Enter")
    assert marks.evaluate_all(shown) == drawn


def test_a_mark_says_its_method_seed_and_score(page):
    page.locator("#figures use[data-tip*='SDA, seed 1']").first.hover(force=True)
    assert page.locator("#tip").text_content().startswith("SDA, seed 1: ")


def test_a_score_leads_to_its_runs_and_a_run_to_its_folder(page, results):
    page.locator("#matrix a[data-cell='sda|demo-rte.accuracy']").click()
    assert page.locator("#runs-count").text_content() == "Showing 3 of 18 runs: SDA, demo-rte, accuracy"
    assert set(column(page, "runs-table", 2)) == {"SDA"}
    folder = page.locator("#runs-table a").first.get_attribute("href")
    assert (results / "reports" / "compare" / folder / "result.json").is_file()


def test_a_narrowed_list_of_runs_leads_back_to_all(page):
    back = page.locator("#runs-back")
    page.locator("#matrix a[data-cell='sda|demo-rte.accuracy']").click()
    back.click()
    assert page.locator("#runs-count").text_content() == "Showing 18 of 18 runs"
    assert not back.is_visible()
    page.locator("#runs-filter").fill("sda")
    assert back.text_content() == "Back to all 18 runs"
    back.click()
    assert (page.locator("#runs-filter").input_value(), back.is_visible()) == ("", False)


def test_the_list_of_runs_has_labels_and_scores_and_sorts_them_as_numbers(page, results):
    page.get_by_text("18 runs", exact=True).click()
    headings = [text.strip() for text in page.locator("#runs-table thead th").all_text_contents()]
    assert headings[:6] == ["key", "task", "method", "seed", "score", "metric"]
    with (results / "reports" / "compare" / "runs.csv").open(encoding="utf-8") as stream:
        stored = {line["key"]: line for line in csv.DictReader(stream)}
    links = page.locator("#runs-table tbody a").all()
    lines = [stored[link.get_attribute("title")] for link in links]
    assert column(page, "runs-table", 2) == [line["title"] for line in lines]
    assert column(page, "runs-table", 4) == [f"{float(line['score']):.1f}".replace("-", "−") for line in lines]
    page.locator("#runs-table thead button").nth(4).click()
    scores = [float(text.replace("−", "-")) for text in column(page, "runs-table", 4)]
    assert scores == sorted(scores)
    assert len(scores) == 18


def test_a_long_list_says_how_many_it_shows_and_shows_all_on_request(page):
    page.evaluate("document.getElementById('runs-list').open = true")
    assert not page.locator("#runs-all").is_visible()  # all 18 are there
    examples = page.locator("#browser")
    total = int(re.search(r"Showing \d+ of (\d+) items", examples.locator("[aria-live]").text_content()).group(1))
    assert total > 50
    assert examples.locator("li").count() == 50
    examples.get_by_role("button", name=f"Show all {total}").click()
    assert examples.locator("li").count() == total
    page.locator("input[data-filters='matrix']").fill("sda")
    assert page.get_by_text("Showing 1 of 3 lines", exact=True).is_visible()


def test_more_than_a_hundred_runs_are_shown_by_a_button(browser, tmp_path):
    seeds = tuple(range(51))
    World(tmp_path, [Arm("vanilla"), Arm("sda", "SDA", "sda")], [Exam("one", items=20)], seeds, steps=2).write()
    tab = browser.new_page()
    tab.goto(write_report(tmp_path, "compare").as_uri())
    tab.get_by_text("102 runs", exact=True).click()
    assert tab.locator("#runs-count").text_content() == "Showing 100 of 102 runs"
    tab.get_by_role("button", name="Show all 102").click()
    assert tab.locator("#runs-table tbody tr").count() == 102
    assert tab.locator("#runs-count").text_content() == "Showing 102 of 102 runs"
    tab.close()


def test_the_table_is_copied_as_text(page, results):
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy as CSV").click()
    page.get_by_text("CSV copied").wait_for()
    assert page.evaluate("window.copied") == (results / "reports" / "compare" / "table.csv").read_text()


def test_a_copy_is_shown_at_once_even_if_the_browser_waits_for_a_permission(page):
    page.evaluate("() => { navigator.clipboard.writeText = () => new Promise(() => {}); }")
    page.get_by_role("button", name="Copy as CSV").click()
    page.locator("button.copied", has_text="Copy as CSV").wait_for(timeout=3000)
    assert page.locator("[data-copies] [role=status]").text_content() == "CSV copied"


def copied(page, name: str) -> str:
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; }")
    page.get_by_role("button", name=f"Copy as {name}").click()
    page.locator("[data-copies] [role=status]", has_text=f"{name} copied").wait_for()
    return page.evaluate("window.copied")


def plain(text: str) -> str:
    """Return a text without the characters that Markdown and LaTeX escape."""
    return re.sub(r"[\\{}`*_]|textless|textgreater", "", text).replace("<", "").replace(">", "")


def test_a_copy_has_the_notes_of_the_table_and_names_no_filter_where_none_is_set(page):
    for name in ("Markdown", "LaTeX"):
        text = copied(page, name)
        assert "vanilla" in text
        assert "SDA" in text
        for warning in page.locator("#caveats li").all_text_contents():
            assert plain(warning) in plain(text)
        for mark in page.locator("ul.foot li sup").all_text_contents():
            assert f"({mark}) " in text
        assert "n = 3 seeds a cell" in text
        assert "Generated data, demonstration" in text
        assert "differences to vanilla" in text
        assert "Filter" not in text


def test_a_copy_holds_the_lines_shown_in_their_order_and_says_which_filter_was_active(page):
    page.locator("input[data-filters='matrix']").fill("SDA")
    text = copied(page, "Markdown")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert [line.split(" |")[0] for line in table] == ["| method", "| ---", "| SDA", "| difference (95 % interval)"]
    assert "- Filter: `SDA`, 1 of 3 lines\n" in text
    text = copied(page, "LaTeX")
    assert "% Filter: `SDA`, 1 of 3 lines\n" in text
    assert "vanilla &" not in text
    assert text.count("\\begin{table}") == text.count("\\end{table}") == 1
    assert [line.split(",")[0] for line in copied(page, "CSV").splitlines()] == ["row", "sda", "sda"]
    page.locator("input[data-filters='matrix']").fill("")
    page.locator("#matrix thead button").first.click()
    page.locator("#matrix thead button").first.click()
    assert page.locator("#matrix thead th").first.get_attribute("aria-sort") == "descending"
    text = copied(page, "Markdown")
    assert text.index("| vanilla") < text.index("| SMART") < text.index("| SDA")
    assert copied(page, "CSV").count("\n") == 7


def test_without_scripts_the_answer_and_the_figures_are_there(browser, results):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((results / "reports" / "compare" / "report.html").as_uri())
    assert tab.locator("#answer .claim").is_visible()
    assert tab.locator("#answer svg").is_visible()
    assert tab.locator("#figures svg[role=img]").count() >= 4
    assert tab.locator("button").count() == 1  # hidden: it belongs to the list of runs
    context.close()


def test_what_scrolls_is_reached_from_the_keyboard(page):
    page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
    page.set_viewport_size({"width": 390, "height": 900})
    stuck = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(e => /auto|scroll/.test(getComputedStyle(e).overflow)
        && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) && e.tabIndex < 0)
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert stuck == []


def test_examples_filter_and_show_texts_as_text(page):
    browser = page.locator("#browser")
    everything = browser.locator("li").count()
    browser.locator("select").nth(2).select_option("mends")
    mended = browser.locator("li").count()
    assert 0 < mended < everything
    browser.locator("select").nth(3).select_option("5/0")
    assert all("annotators 5/0" in text for text in browser.locator("li").all_text_contents())
    assert "<b>hypothesis</b> & number" in browser.locator("li").first.text_content()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_width_and_its_text_stands_out(page, width, scheme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []


def test_every_control_has_a_name_and_every_region_too(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('select, input, button, [role=region], svg[role=img]')]
        .filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map(e =>
        e.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []
    levels = page.eval_on_selector_all("h1, h2, h3", "hs => hs.map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_it_prints_without_controls(page, tmp_path):
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#browser").is_visible()
    states = "all => all.map(each => [each.hasAttribute('data-print'), each.open])"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert {on for marked, on in page.eval_on_selector_all("details", states) if marked} == {True}
    assert not page.get_by_text("18 runs", exact=True).is_visible()  # closed and not for paper: left out
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not any(on for marked, on in page.eval_on_selector_all("details", states) if marked)
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000


@pytest.mark.parametrize(("media", "width"), [("screen", 1280), ("print", 690)])
def test_the_figure_of_the_card_stands_beside_the_finding_at_its_top(page, media, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(media=media)
    names = ("#answer", "#answer > .text", "#answer > figure", "#answer > .basis")
    card, text, figure, basis = (page.locator(name).bounding_box() for name in names)
    assert figure["x"] >= text["x"] + text["width"]
    assert figure["y"] - card["y"] < 40
    assert basis["y"] >= text["y"] + text["height"]


def test_paper_has_page_numbers(page):
    """A browser keeps the rule for the margin only if it can draw it."""
    rules = page.evaluate(
        """() => [...document.styleSheets[0].cssRules].filter(rule => rule.media?.mediaText === 'print')
        .flatMap(rule => [...rule.cssRules]).filter(rule => rule instanceof CSSPageRule).map(rule => rule.cssText)"""
    )
    assert len(rules) == 1
    assert re.search(r'@bottom-right *\{.*"Page " counter\(page\) " of " counter\(pages\)', rules[0])


@pytest.mark.parametrize("media", ["print", "screen"])
@pytest.mark.parametrize("width", [690, 390])
def test_coloured_labels_touch_nothing(page, media, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
    page.eval_on_selector_all(
        ".answers .chip", "all => all.forEach(each => { each.textContent = 'pilot at the floor'; })"
    )
    page.emulate_media(media=media)
    touching = page.evaluate(
        """() => [...document.querySelectorAll('.chip + span, .chip + b, .facts li + li')].filter(next => {
          const chip = next.previousElementSibling.getBoundingClientRect(), box = next.getBoundingClientRect();
          return box.left < chip.right + 4 && box.top < chip.bottom + 4;
        }).map(next => next.parentNode.textContent.slice(0, 60))"""
    )
    assert page.locator(".answers .chip").count() > 0
    assert page.locator(".claims .chip").count() > 0
    assert touching == []


def test_the_front_page_leads_to_the_report(browser, results):
    tab = browser.new_page()
    tab.goto((results / "reports" / "index.html").as_uri())
    assert "18 of 18" in tab.locator("tbody tr").first.text_content()
    assert tab.locator("#claims-table tbody tr").count() == 1
    tab.locator("input[data-filters='claims-table']").fill("no such claim")
    assert tab.locator("#claims-table tbody tr:not([hidden])").count() == 0
    board = tab.locator("#board-1")
    tasks = ["demo-rte, accuracy", "demo-cola, Matthews corr."]
    assert board.locator("thead th").all_text_contents()[:3] == ["method", *tasks]
    assert board.locator("tbody tr").count() == 3
    tab.locator("tbody a").first.click()
    assert "What was found" in tab.locator("h2").first.text_content()
    tab.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_front_page_has_room_for_findings_and_names_its_rows_while_it_scrolls(browser, results, width):
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto((results / "reports" / "index.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate("document.querySelector('.list .chip').textContent = 'inconclusive, on SST-2 alone, '.repeat(4)")
    verdict, finding = (tab.locator("#claims-table tbody td").nth(n).bounding_box() for n in (0, 1))
    if width == 1280:
        assert finding["width"] > 2.5 * verdict["width"]
    headings = [text.strip() for text in tab.locator("#reports thead th").all_text_contents()]
    assert headings[:2] == ["experiment", "claims"]
    claims = tab.locator("#reports tbody td").first.bounding_box()
    assert claims["x"] + claims["width"] < width
    name = tab.locator("#board-1 tbody th").first
    before = name.bounding_box()["x"]
    tab.locator("#leaderboard .scroll").evaluate("each => { each.querySelector('table').style.width = '3000px'; }")
    tab.locator("#leaderboard .scroll").evaluate("each => { each.scrollLeft = 400; }")
    assert tab.locator("#leaderboard .scroll").evaluate("each => each.scrollLeft") == 400
    assert name.bounding_box()["x"] == pytest.approx(before, abs=2)
    tab.close()


# Text against the nearest background behind it: WCAG's 4.5, or 3 for large or bold text.
# Heat maps, whose cells lie behind their texts, have a test of their own.
CONTRAST = """() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055)
  ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if
  (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; }; const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility() ||
    e.closest('script, .heat, .confusion')) continue;
    const style = getComputedStyle(e), inSvg = e instanceof SVGElement;
    const a = light(rgb(inSvg ? style.fill : style.color)), b = light(behind(inSvg ? e.ownerSVGElement.parentElement
    : e)); const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.6 && +style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${e.tagName} ${e.textContent.trim().slice(0, 40)}`);
  }
  return [...new Set(bad)];
}"""
