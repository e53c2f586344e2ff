"""The first page and what always stays in sight."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.pages import PHONE, Locale, PatientPage
from tests.browser.scenarios import ASKED, DISCLAIMER, answer


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_the_first_page_says_what_it_can_and_cannot_do_and_shows_the_servers_disclaimer(
    open_page: OpenPage, locale: Locale
) -> None:
    patient = open_page(locale=locale)
    welcome = patient.page.locator(".welcome")
    expect(welcome).to_contain_text(DISCLAIMER[locale])
    expect(welcome.locator(".ability-can li")).to_have_count(3)
    expect(welcome.locator(".ability-cannot li")).to_have_count(3)
    expect(welcome.locator(".suggestion")).to_have_count(3)


def test_notices_of_the_server_are_shown(open_page: OpenPage, fake: FakeServer) -> None:
    fake.notices = ["This is a demonstration."]
    expect(open_page().page.locator(".welcome")).to_contain_text("This is a demonstration.")


def test_an_example_asks_its_question_and_the_welcome_goes_away(patient: PatientPage, fake: FakeServer) -> None:
    patient.page.locator(".welcome .suggestion").first.click()
    patient.wait_for_answer()
    assert fake.sent("message")[0]["text"] == ASKED["answer"]["en"]
    expect(patient.page.locator(".welcome")).to_have_count(0)
    assert patient.focused().startswith("article"), "the button that was pressed is gone; the focus must not be lost"


def test_the_emergency_line_dials_the_number_of_the_country(open_page: OpenPage) -> None:
    patient = open_page()
    strip = patient.page.locator(".strip")
    expect(strip).to_contain_text("Call an ambulance now")
    patient.page.evaluate("document.querySelector('virtual-doctor').setAttribute('country', 'GB')")
    expect(strip.locator("a")).to_have_attribute("href", "tel:999")


def test_the_country_is_told_to_the_server(open_page: OpenPage, fake: FakeServer) -> None:
    patient = open_page()
    patient.page.evaluate("document.querySelector('virtual-doctor').setAttribute('country', 'gb')")
    patient.ask_and_wait(ASKED["answer"]["en"])
    assert fake.sent("hello")[-1]["country"] == "GB"


def test_the_emergency_line_in_chinese_dials_120(open_page: OpenPage) -> None:
    expect(open_page(locale="zh").page.locator(".strip a")).to_have_attribute("href", "tel:120")


def test_the_emergency_line_stays_in_sight_after_a_long_conversation(open_page: OpenPage) -> None:
    patient = open_page(size=PHONE)
    for _ in range(3):
        patient.ask_and_wait(ASKED["answer"]["en"])
    expect(patient.page.locator(".strip")).to_be_in_viewport(ratio=1)


def test_the_number_that_the_server_names_is_taken_over_into_the_emergency_line(patient: PatientPage) -> None:
    patient.ask_and_wait(ASKED["emergency"]["en"])
    expect(patient.page.locator(".strip a")).to_have_attribute("href", "tel:120")


def test_a_new_conversation_is_confirmed_clears_the_page_and_starts_a_new_session(
    patient: PatientPage, fake: FakeServer
) -> None:
    patient.ask_and_wait(ASKED["answer"]["en"])
    patient.page.get_by_role("button", name="New chat").click()
    patient.dialog.get_by_role("button", name="Keep this one").click()
    expect(patient.turns).to_have_count(1)
    patient.page.get_by_role("button", name="New chat").click()
    patient.dialog.get_by_role("button", name="Start new").click()
    expect(patient.turns).to_have_count(0)
    expect(patient.page.locator(".welcome")).to_be_visible()
    patient.ask_and_wait(ASKED["answer"]["en"])
    assert "session" not in fake.sent("hello")[-1]


def test_in_a_panel_there_is_no_second_banner_main_or_top_heading(open_page: OpenPage) -> None:
    patient = open_page()
    patient.page.evaluate("""() => { const panel = document.createElement('virtual-doctor');
        panel.setAttribute('mode', 'panel'); document.querySelector('virtual-doctor').replaceWith(panel); }""")
    expect(patient.field).to_be_visible()
    expect(patient.page.locator("virtual-doctor main, virtual-doctor header, virtual-doctor h1")).to_have_count(0)


def test_both_languages_say_the_same_things(patient: PatientPage) -> None:
    differences = patient.page.evaluate("""async () => { const { TEXTS } = await import('/web/i18n.js');
        const holes = text => (String(text).match(/\\{\\w+\\}/g) ?? []).sort().join();
        const keys = new Set([...Object.keys(TEXTS.en), ...Object.keys(TEXTS.zh)]);
        return [...keys].filter(key => !TEXTS.en[key] || !TEXTS.zh[key] || holes(TEXTS.en[key]) !== holes(TEXTS.zh[key])); }""")
    assert differences == []


def test_nothing_that_was_asked_is_kept_on_the_device(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("a private matter", answer("en"))
    patient.ask_and_wait("a private matter")
    stored = patient.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert stored == '[{},{},""]'
