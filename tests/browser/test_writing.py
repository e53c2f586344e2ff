"""Writing and sending: keyboard, input methods, length."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.pages import PHONE, PatientPage
from tests.browser.scenarios import ASKED, Hold, answer, done, status

HEADACHE = ASKED["answer"]["en"]


def test_the_whole_way_from_question_to_source_works_by_keyboard_alone(patient: PatientPage, fake: FakeServer) -> None:
    keyboard = patient.page.keyboard
    keyboard.press("Tab")
    assert patient.focused() == "button.skip"
    keyboard.press("Enter")
    expect(patient.field).to_be_focused()
    keyboard.type(HEADACHE)
    keyboard.press("Tab")
    expect(patient.send).to_be_focused()
    keyboard.press("Enter")
    patient.wait_for_answer()
    for _ in range(40):
        keyboard.press("Shift+Tab")
        if patient.focused() == "button.chip":
            break
    keyboard.press("Enter")
    expect(patient.dialog.locator("mark")).to_be_visible()
    keyboard.press("Escape")
    assert patient.focused() == "button.chip"


def test_tab_passes_through_every_control_and_leaves_the_page_again(patient: PatientPage) -> None:
    patient.ask_and_wait(HEADACHE)
    seen: list[str] = []
    while len(seen) < 120 and seen.count("body.") < 2:  # out of the page, all the way round, and out again
        patient.page.keyboard.press("Tab")
        seen.append(patient.focused())
    assert seen.count("body.") == 2, f"trapped after {seen[-5:]}"
    wanted = {
        "button.skip",
        "button.tool tool-new",
        "button.tool tool-language",
        "button.tool tool-theme",
        "button.chip",
        "button.source",
    }
    assert wanted <= set(seen)


def test_shift_enter_makes_a_new_line_and_enter_sends(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("one\ntwo", answer("en"))
    patient.field.press_sequentially("one")
    patient.field.press("Shift+Enter")
    patient.field.press_sequentially("two")
    assert fake.sent("message") == []
    patient.field.press("Enter")
    patient.wait_for_answer()
    assert fake.sent("message")[0]["text"] == "one\ntwo"


def test_enter_that_ends_a_chinese_word_does_not_send(open_page: OpenPage, fake: FakeServer) -> None:
    patient = open_page(locale="zh")
    patient.field.focus()
    devtools = patient.page.context.new_cdp_session(patient.page)
    devtools.send("Input.imeSetComposition", {"text": "tou teng", "selectionStart": 8, "selectionEnd": 8})
    patient.page.keyboard.press("Enter")
    devtools.send("Input.insertText", {"text": ASKED["answer"]["zh"]})
    assert fake.sent("message") == []
    expect(patient.turns).to_have_count(0)
    expect(patient.field).to_have_value(re.compile(ASKED["answer"]["zh"]))  # no input method is there to swallow the Enter
    patient.page.keyboard.press("Enter")
    patient.wait_for_answer()
    assert [frame["text"] for frame in fake.sent("message")] == [ASKED["answer"]["zh"]]


def test_safaris_enter_after_a_composition_does_not_send_either(patient: PatientPage) -> None:
    patient.field.fill("tou teng")
    patient.field.evaluate(
        "field => field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true}))"
    )
    expect(patient.turns).to_have_count(0)


def test_an_empty_question_is_not_sent_and_the_person_is_told(patient: PatientPage) -> None:
    patient.field.fill("   ")
    patient.send.click()
    expect(patient.page.locator("#question-problem")).to_have_text("Type your question first.")
    expect(patient.turns).to_have_count(0)


def test_the_counter_shows_near_the_limit_and_too_much_is_not_sent(patient: PatientPage, fake: FakeServer) -> None:
    counter = patient.page.locator(".counter")
    patient.field.fill("a" * 3000)
    expect(counter).to_be_hidden()
    patient.field.fill("头" * 3990)
    expect(counter).to_have_text("10 characters left")
    patient.field.fill("😷" * 4003)
    expect(counter).to_have_text("3 characters too many. Please shorten your question.")
    patient.field.press("Enter")
    expect(patient.turns).to_have_count(0)
    fake.script("😷" * 4000, answer("en"))
    patient.ask_and_wait("😷" * 4000)
    expect(patient.turns).to_have_count(1)


def test_while_an_answer_is_on_its_way_enter_keeps_what_was_typed(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("slow", [status("reading"), Hold("go"), done("answer")])
    patient.ask("slow")
    expect(patient.stop).to_be_visible()
    patient.ask("and another thing")
    expect(patient.field).to_have_value("and another thing")
    expect(patient.turns).to_have_count(1)
    expect(patient.page.locator("#question-problem")).to_contain_text("press Stop")
    fake.release("go")
    patient.wait_for_answer()


def test_the_focus_goes_from_ask_to_stop_and_back(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("slow", [status("reading"), Hold("go"), done("answer")])
    patient.field.fill("slow")
    patient.send.click()
    expect(patient.stop).to_be_focused()
    fake.release("go")
    expect(patient.send).to_be_focused()


def test_on_a_touch_screen_the_keyboard_is_put_away_after_sending(open_page: OpenPage) -> None:
    patient = open_page(size=PHONE, touch=True)
    patient.ask_and_wait(HEADACHE)
    expect(patient.field).not_to_be_focused()
