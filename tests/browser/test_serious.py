"""Emergency, crisis, refusal, and no answer at all."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.pages import PHONE, Locale, PatientPage
from tests.browser.scenarios import ASKED, EMERGENCY, HangUp, answer, done, sentence

WORDS = {"en": ("Call an ambulance now", "“chest pain”"), "zh": ("请立即拨打急救电话", "“胸口痛”")}


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_an_emergency_takes_the_focus_alerts_and_dials(open_page: OpenPage, locale: Locale) -> None:
    patient = open_page(locale=locale, size=PHONE)
    patient.ask_and_wait(ASKED["emergency"][locale])
    card = patient.card("emergency")
    heading, word = WORDS[locale]
    expect(card).to_have_attribute("role", "alert")
    expect(card.get_by_role("heading", name=heading)).to_be_focused()
    expect(card.locator("a.call")).to_have_attribute("href", "tel:120")
    expect(card.locator("a.call")).to_be_in_viewport(ratio=1)
    expect(card).to_contain_text(word)
    assert card.locator("ul.lines li").all_inner_texts() == [line["text"] for line in EMERGENCY[locale][1:]]


def test_after_an_emergency_the_person_can_say_that_it_is_not_right_and_go_on(patient: PatientPage) -> None:
    patient.ask_and_wait(ASKED["emergency"]["en"])
    patient.card("emergency").get_by_role("button", name="This is not right").click()
    expect(patient.card("emergency")).to_contain_text("If you are not sure, call.")
    expect(patient.field).to_be_focused()
    patient.ask_and_wait(ASKED["answer"]["en"])
    expect(patient.turn).to_contain_text("Most headaches")


def test_an_emergency_without_a_known_number_says_so_in_words(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("help", [sentence("Call for help now."), done("emergency", call={"ambulance": None, "lines": []})])
    patient.ask_and_wait("help")
    expect(patient.card("emergency")).to_contain_text("112, 911 or 999")


def test_an_emergency_card_says_nothing_twice(patient: PatientPage, fake: FakeServer) -> None:
    why = "Chest pain that spreads can be a heart attack."
    level = {
        "type": "disposition",
        "level": "emergency",
        "reasons": [{"rule": "r", "text": why, "citation": None, "words": []}],
    }
    said = [sentence("Call your local emergency number (112, 911 or 999) now."), sentence(why), sentence("Sit down.")]
    fake.script("pain", [level, *said, done("emergency", call={"ambulance": None, "lines": []})])
    patient.ask_and_wait("pain")
    text = patient.card("emergency").inner_text()
    assert text.count(why) == 1
    assert text.count("112") == 1
    assert patient.card("emergency").locator("ul.lines li").all_inner_texts() == ["Sit down."]


def test_a_crisis_card_has_its_helplines_near_the_top_and_names_each_once(open_page: OpenPage, fake: FakeServer) -> None:
    patient = open_page(size=PHONE)
    lines = [
        {"name": "national helpline", "phone": "12356", "url": None},
        {"name": "free helplines in your country", "phone": None, "url": "https://findahelpline.com"},
    ]
    said = [
        "I am glad you told me.",
        "Go to someone you trust.",
        "You can talk to someone now: 12356 (national helpline).",
        "You can talk to someone now: findahelpline.com (free helplines in your country).",
        "If there is danger right now, call 112, 911 or 999.",
    ]
    fake.script("sad", [*map(sentence, said), done("crisis", call={"ambulance": None, "lines": lines})])
    patient.ask_and_wait("sad")
    card = patient.card("crisis")
    expect(card.locator("a.call").first).to_be_in_viewport(ratio=1)
    text = card.inner_text()
    assert [text.count(word) for word in ("12356", "findahelpline.com", "911")] == [1, 1, 1]
    for kept in (said[0], said[1], said[4]):
        assert kept in text


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_a_crisis_is_met_warmly_with_a_helpline_and_never_as_an_alarm(open_page: OpenPage, locale: Locale) -> None:
    patient = open_page(locale=locale, size=PHONE)
    patient.ask_and_wait(ASKED["crisis"][locale])
    card = patient.card("crisis")
    expect(card.locator("a.call").first).to_have_attribute("href", "tel:12356")
    expect(card.locator("a.call").last).to_have_attribute("href", "tel:120")
    expect(patient.page.locator(".card-emergency, [role=alert]:not(:empty)")).to_have_count(0)
    red = patient.inside("""root => [...root.querySelectorAll('.card-crisis *')]
        .some(node => getComputedStyle(node).backgroundColor === 'rgb(196, 22, 28)')""")
    assert not red
    expect(patient.turn.locator(".feedback")).to_have_count(0)


def test_a_refusal_names_a_safe_next_step(patient: PatientPage) -> None:
    patient.ask_and_wait(ASKED["refusal"]["en"])
    expect(patient.card("refusal")).to_contain_text("I cannot tell you to change the dose")
    expect(patient.card("refusal")).to_contain_text("Ask a doctor, a nurse or a pharmacist.")


def test_a_refusal_that_brings_its_next_step_gets_no_other(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("odd", [sentence("I have no guideline on that."), sentence("A pharmacist can help."), done("refusal")])
    patient.ask_and_wait("odd")
    expect(patient.card("refusal")).to_contain_text("A pharmacist can help.")
    expect(patient.card("refusal").locator("li")).to_have_count(0)


def test_when_the_service_is_unavailable_the_question_can_be_asked_again(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("cold", [done("unavailable")], answer("en"))
    patient.ask_and_wait("cold")
    expect(patient.card("unavailable")).to_contain_text("If you are worried, contact a doctor now.")
    patient.card("unavailable").get_by_role("button", name="Try again").click()
    patient.wait_for_answer()
    expect(patient.turn).to_contain_text("Most headaches")
    first, second = fake.sent("message")
    assert first["text"] == second["text"]
    assert first["id"] != second["id"]


def test_an_error_is_told_in_plain_words_and_the_question_can_be_changed(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("odd", [{"type": "error", "code": "turn_failed", "detail": "KeyError: 'x'"}])
    patient.ask_and_wait("odd")
    expect(patient.card("error")).to_contain_text("Your question could not be answered.")
    expect(patient.card("error")).not_to_contain_text("KeyError")
    patient.card("error").get_by_role("button", name="Edit my question").click()
    expect(patient.field).to_have_value("odd")
    expect(patient.field).to_be_focused()


def test_frames_of_an_unknown_type_or_turn_do_no_harm(patient: PatientPage, fake: FakeServer) -> None:
    stray = {"type": "sentence", "id": "someone-else", "text": "Not for you.", "citations": []}
    fake.script("odd", [{"type": "novelty"}, stray, sentence("For you."), done("answer")])
    patient.ask_and_wait("odd")
    expect(patient.turn).to_contain_text("For you.")
    expect(patient.turn).not_to_contain_text("Not for you.")


def test_an_answer_whose_disposition_is_an_emergency_opens_with_the_number_to_call(
    patient: PatientPage, fake: FakeServer
) -> None:
    level = {"type": "disposition", "level": "emergency", "reasons": []}
    call = {"ambulance": "120", "lines": []}
    fake.script("mixed", [level, sentence("Stay where you are."), done("answer", call=call)])
    patient.ask_and_wait("mixed")
    first = patient.turn.locator(".answer > *").first
    expect(first).to_contain_text("Call an ambulance now")
    expect(first.locator("a.call")).to_have_attribute("href", "tel:120")


def test_an_answer_without_a_sentence_is_told_as_no_answer(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("void", [done("answer")])
    patient.ask_and_wait("void")
    expect(patient.card("unavailable")).to_be_visible()


def test_a_question_that_the_server_took_but_cannot_finish_can_be_asked_again(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("cut", [HangUp()], [{"type": "error", "code": "duplicate", "detail": "seen"}])
    patient.ask_and_wait("cut")
    expect(patient.card("error")).to_contain_text("The connection was lost while we were answering.")
    expect(patient.card("error").get_by_role("button", name="Try again")).to_be_visible()
