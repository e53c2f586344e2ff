"""The same page against the real server (`live_server` gives its base address): does the contract hold on both sides?"""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import PHONE, Locale, PatientPage
from tests.browser.scenarios import ASKED

SLOW_MS = 60_000  # a small model on a small machine


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_a_real_answer_arrives_with_sources_that_open(browser: Browser, live_server: str, locale: Locale) -> None:
    patient = PatientPage.open(browser, live_server, locale=locale)
    patient.ask(ASKED["answer"][locale])
    patient.wait_for_answer(SLOW_MS)
    if patient.page.locator("form.question").count():
        patient.page.locator("form.question .button-plain").click()
        patient.wait_for_answer(SLOW_MS)
    if patient.turn.locator(".chip").count():
        patient.turn.locator(".chip").first.click()
        expect(patient.dialog.locator("blockquote")).to_be_visible()
    assert patient.turn.locator(".answer").inner_text() or patient.page.locator("form.question").count()
    patient.page.context.close()


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_a_real_emergency_takes_the_focus(browser: Browser, live_server: str, locale: Locale) -> None:
    patient = PatientPage.open(browser, live_server, locale=locale, size=PHONE)
    patient.ask(ASKED["emergency"][locale])
    patient.wait_for_answer(SLOW_MS)
    expect(patient.card("emergency").locator(".card-heading")).to_be_focused()
    patient.page.context.close()


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_a_real_crisis_shows_people_to_talk_to(browser: Browser, live_server: str, locale: Locale) -> None:
    patient = PatientPage.open(browser, live_server, locale=locale, size=PHONE)
    patient.ask(ASKED["crisis"][locale])
    patient.wait_for_answer(SLOW_MS)
    expect(patient.card("crisis")).to_be_visible()
    patient.page.context.close()
