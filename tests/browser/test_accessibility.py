"""WCAG 2.2 AA: axe-core on every state, reflow, zoom, size of targets, motion.

The content policy is off where axe-core runs, for axe-core sets styles of its own; all other tests run under it.
"""

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.pages import PHONE, WORDS, Locale, PatientPage, Theme
from tests.browser.scenarios import ASKED, Hold, done, status

BOTH_THEMES = pytest.mark.parametrize("theme", ["light", "dark"])
BOTH_LANGUAGES = pytest.mark.parametrize("locale", ["en", "zh"])
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The question comes last: the next turn would take it away.
CONVERSATION = ("answer", "emergency", "crisis", "refusal", "unavailable", "question")


@cache
def axe_source() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(patient: PatientPage) -> list[str]:
    """What axe-core finds, as "rule: element"."""
    patient.page.evaluate(axe_source())
    found: dict[str, Any] = patient.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    assert any(rule["id"] == "color-contrast" for rule in found["passes"]), "contrast was not measured"
    return [f"{rule['id']}: {node['target']}" for rule in found["violations"] for node in rule["nodes"]]


# axe-core gives no verdict where a text has a pseudo-element or lies below the fold; this judges every text by the nearest
# opaque background around it, which is exact here: no text lies on a picture or on something half transparent.
CONTRAST = """root => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => numbers(colour).slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = node => { for (; node; node = node.parentElement) {
        const colour = getComputedStyle(node).backgroundColor;
        if ((numbers(colour)[3] ?? 1) === 1) return colour; }
        return 'rgb(255, 255, 255)'; };
    const ownText = node => [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    return [...root.querySelectorAll('*')]
        .filter(node => ownText(node) && node.getClientRects().length && !node.matches(':disabled'))
        .map(node => { const pair = [light(getComputedStyle(node).color), light(ground(node))].sort((a, b) => b - a);
            const name = `${node.localName}.${node.className}: ${node.textContent.slice(0, 30)}`;
            return [name, (pair[0] + .05) / (pair[1] + .05)]; }); }"""


def converse(patient: PatientPage, locale: Locale) -> None:
    for state in CONVERSATION:
        patient.ask_and_wait(ASKED[state][locale])


@BOTH_LANGUAGES
@BOTH_THEMES
def test_axe_finds_nothing_on_the_first_page(open_page: OpenPage, locale: Locale, theme: Theme) -> None:
    assert violations(open_page(locale=locale, theme=theme, bypass_csp=True)) == []


@BOTH_LANGUAGES
@BOTH_THEMES
def test_axe_finds_nothing_in_a_conversation_with_every_card(open_page: OpenPage, locale: Locale, theme: Theme) -> None:
    patient = open_page(locale=locale, theme=theme, size=PHONE, bypass_csp=True)
    converse(patient, locale)
    assert violations(patient) == []


@BOTH_THEMES
def test_every_text_has_a_contrast_of_4_5_to_its_background(open_page: OpenPage, theme: Theme) -> None:
    patient = open_page(theme=theme)
    measured = patient.inside(CONTRAST)
    converse(patient, "en")
    patient.turns.first.locator(".chip").first.click()
    patient.dialog.locator("mark").wait_for()
    measured += patient.inside(CONTRAST)
    assert len(measured) > 100
    assert [(text, round(ratio, 2)) for text, ratio in measured if ratio < 4.5] == []


@BOTH_LANGUAGES
@BOTH_THEMES
def test_axe_finds_nothing_in_the_source_dialog(open_page: OpenPage, locale: Locale, theme: Theme) -> None:
    patient = open_page(locale=locale, theme=theme, bypass_csp=True)
    patient.ask_and_wait(ASKED["answer"][locale])
    patient.turn.locator(".chip").first.click()
    patient.dialog.locator("mark").wait_for()
    assert violations(patient) == []


@BOTH_LANGUAGES
def test_nothing_is_wider_than_a_window_of_320_pixels(open_page: OpenPage, locale: Locale) -> None:
    patient = open_page(locale=locale, size=(320, 640))
    assert patient.overflow() == []
    converse(patient, locale)
    assert patient.overflow() == []
    patient.turns.first.locator(".chip").first.click()
    patient.dialog.locator("mark").wait_for()
    assert patient.dialog.evaluate("dialog => dialog.scrollWidth - dialog.clientWidth") <= 0


@pytest.mark.parametrize("size", [(640, 450), (320, 256)], ids=["200 percent", "400 percent"])
def test_zoomed_in_everything_can_be_reached_by_scrolling_the_page(open_page: OpenPage, size: tuple[int, int]) -> None:
    patient = open_page(size=size)
    patient.ask_and_wait(ASKED["answer"]["en"])
    assert patient.overflow() == []
    patient.field.scroll_into_view_if_needed()
    expect(patient.field).to_be_in_viewport()
    pinned = patient.inside("""root => [...root.querySelectorAll('.top, .dock')]
        .some(node => ['fixed', 'sticky'].includes(getComputedStyle(node).position))""")
    assert not pinned


def test_every_target_is_at_least_44_pixels(open_page: OpenPage) -> None:
    patient = open_page(size=PHONE)
    converse(patient, "en")
    small = patient.inside("""root => {
        const size = node => { // a chip in running text has a larger target laid over it
            const box = node.getBoundingClientRect(), over = getComputedStyle(node, '::after');
            const grown = over.content === 'none' ? [0, 0] : [parseFloat(over.width), parseFloat(over.height)];
            return [Math.max(box.width, grown[0]), Math.max(box.height, grown[1])]; };
        return [...root.querySelectorAll('button:not(.skip), a, textarea, label.choice')]
            .filter(node => node.offsetParent).filter(node => size(node).some(length => length < 43.9))
            .map(node => `${node.className} ${size(node)}`); }""")
    assert small == []


@BOTH_LANGUAGES
def test_text_is_at_least_16_pixels_and_lines_are_not_too_long(open_page: OpenPage, locale: Locale) -> None:
    patient = open_page(locale=locale)
    patient.ask_and_wait(ASKED["answer"][locale])
    sizes, width = patient.inside("""root => {
        const texts = [...root.querySelectorAll('p, li, button, a, h1, h2, h3, label')].filter(node => node.offsetParent);
        const sizes = texts.map(node => parseFloat(getComputedStyle(node).fontSize));
        return [sizes, root.querySelector('.part p').getBoundingClientRect().width]; }""")
    assert min(sizes) >= 16
    assert width / 18 <= 36, "a Chinese line of 18 px characters"


def test_there_is_one_main_one_banner_and_headings_in_order(patient: PatientPage) -> None:
    patient.ask_and_wait(ASKED["answer"]["en"])
    expect(patient.page.get_by_role("main")).to_have_count(1)
    expect(patient.page.get_by_role("banner")).to_have_count(1)
    levels = patient.inside("""root => [...root.querySelectorAll('h1, h2, h3, h4')]
        .map(node => Number(node.localName[1]))""")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_focus_is_visible_on_every_kind_of_control(patient: PatientPage) -> None:
    patient.ask_and_wait(ASKED["answer"]["en"])
    patient.page.keyboard.press("Shift+Tab")
    for name in (".tool-theme", ".chip", ".source", ".suggestion", ".feedback .button", "#question"):
        control = patient.page.locator(name).first
        control.focus()
        patient.page.keyboard.press("Shift")
        style = control.evaluate(
            "node => { const s = getComputedStyle(node); return [s.outlineStyle, parseFloat(s.outlineWidth)]; }"
        )
        assert style == ["solid", 3], name


def test_nothing_moves_for_those_who_asked_for_less_motion(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("slow", [status("reading"), Hold("go"), done("answer")])
    patient.ask("slow")
    expect(patient.status).to_be_visible()
    moving = patient.inside("root => root.getAnimations().length")
    fake.release("go")
    assert moving == 0


@BOTH_LANGUAGES
def test_the_question_field_is_found_by_its_label(open_page: OpenPage, locale: Locale) -> None:
    expect(open_page(locale=locale).page.get_by_label(WORDS[locale]["field"], exact=True)).to_be_visible()
