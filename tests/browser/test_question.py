"""Questions back to the person."""

from playwright.sync_api import expect

from tests.browser.fake_server import FakeServer
from tests.browser.pages import PatientPage
from tests.browser.scenarios import ASKED, answer, done

HEAD = ASKED["question"]["en"]


def replies(fake: FakeServer) -> list[tuple[str, str]]:
    return [(frame["question_id"], frame["value"]) for frame in fake.sent("reply")]


def test_a_choice_is_tapped_and_sent_as_a_reply(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("no", answer("en"))
    patient.ask_and_wait(HEAD)
    patient.turn.get_by_text("No, slowly").click()
    patient.turn.get_by_role("button", name="Continue").click()
    patient.wait_for_answer()
    assert replies(fake) == [("onset", "no")]
    expect(patient.turn.locator(".asked")).to_contain_text("No, slowly")
    expect(patient.page.locator("form.question")).to_have_count(0)
    assert patient.focused() != "body.", "the question is gone; the focus must not be lost"


def test_the_question_comes_before_the_small_print(patient: PatientPage, fake: FakeServer) -> None:
    asked = {"type": "question", "question_id": "q", "text": "Which?", "choices": [{"value": "a", "label": "This one"}]}
    fake.script("odd", [asked, done("question", disclaimer="Not a diagnosis.")])
    patient.ask_and_wait("odd")
    text = patient.turn.inner_text()
    assert text.index("This one") < text.index("Not a diagnosis.")


def test_the_choices_are_one_radio_group_named_by_the_question(patient: PatientPage) -> None:
    patient.ask_and_wait(HEAD)
    group = patient.page.get_by_role("radiogroup", name="Did the headache start suddenly, within a minute?")
    expect(group.get_by_role("radio")).to_have_count(4)
    assert "Did the headache start suddenly, within a minute?" in patient.announced()


def test_the_question_can_be_answered_by_keyboard_alone(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("no", answer("en"))
    patient.ask_and_wait(HEAD)
    patient.turn.get_by_role("radio").first.focus()
    patient.page.keyboard.press("Space")
    patient.page.keyboard.press("ArrowDown")
    patient.page.keyboard.press("Enter")
    patient.wait_for_answer()
    assert replies(fake) == [("onset", "no")]


def test_something_else_is_answered_in_own_words(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("after a fall", answer("en"))
    patient.ask_and_wait(HEAD)
    own = patient.turn.get_by_label("In your own words")
    expect(own).to_be_hidden()
    patient.turn.get_by_text("Something else").click()
    own.fill("after a fall")
    own.press("Enter")
    patient.wait_for_answer()
    assert replies(fake) == [("onset", "after a fall")]


def test_a_question_can_be_skipped(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("skip", answer("en"))
    patient.ask_and_wait(HEAD)
    patient.turn.get_by_role("button", name="Skip this question").click()
    patient.wait_for_answer()
    assert replies(fake) == [("onset", "skip")]


def test_continue_without_a_choice_says_what_is_missing_and_sends_nothing(patient: PatientPage, fake: FakeServer) -> None:
    patient.ask_and_wait(HEAD)
    patient.turn.get_by_role("button", name="Continue").click()
    expect(patient.turn.locator(".problem")).to_have_text("Choose an answer, or skip the question.")
    assert fake.sent("reply") == []


def test_a_question_without_choices_is_answered_in_words(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("open", [{"type": "question", "question_id": "age", "text": "How old are you?"}, done("question")])
    fake.script("71", answer("en"))
    patient.ask_and_wait("open")
    patient.turn.get_by_label("Your answer").fill("71")
    patient.turn.get_by_role("button", name="Continue").click()
    patient.wait_for_answer()
    assert replies(fake) == [("age", "71")]


def test_asking_something_else_instead_takes_the_question_away(patient: PatientPage) -> None:
    patient.ask_and_wait(HEAD)
    patient.ask_and_wait(ASKED["answer"]["en"])
    expect(patient.page.locator("form.question")).to_have_count(0)
