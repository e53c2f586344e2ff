"""Offline, reconnecting, and that no message is lost or doubled."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.pages import PatientPage
from tests.browser.scenarios import ASKED, HangUp, Hold, answer, done, sentence, status

HEADACHE = ASKED["answer"]["en"]


def test_nothing_is_said_about_the_connection_while_all_is_well(patient: PatientPage) -> None:
    patient.ask_and_wait(HEADACHE)
    expect(patient.banner).to_be_hidden()


def test_after_a_break_the_page_reconnects_with_its_session_and_keeps_what_was_typed(
    patient: PatientPage, fake: FakeServer
) -> None:
    patient.ask_and_wait(HEADACHE)
    patient.field.fill("half a sen")
    fake.hang_up()
    expect(patient.banner).to_contain_text("You are connected again.")
    expect(patient.field).to_have_value("half a sen")
    assert fake.sent("hello")[-1]["session"] == "s-1"
    assert len(fake.sent("message")) == 1, "an answered question is not asked again"


def test_a_question_cut_off_in_the_middle_is_answered_once_under_the_same_id(patient: PatientPage, fake: FakeServer) -> None:
    whole = [sentence("One."), sentence("Two."), done("answer")]
    fake.script("cut", [status("checking"), sentence("One."), HangUp()], whole)
    patient.ask_and_wait("cut")
    expect(patient.turns).to_have_count(1)
    assert patient.turn.locator(".lines p").all_inner_texts() == ["One.", "Two."]
    first, second = fake.sent("message")
    assert first == second


def test_a_question_asked_offline_waits_visibly_and_is_sent_once(patient: PatientPage, fake: FakeServer) -> None:
    patient.page.context.set_offline(True)
    expect(patient.banner).to_contain_text("You are offline. What you have typed is kept.")
    patient.ask(HEADACHE)
    expect(patient.status).to_contain_text("Not sent yet.")
    patient.page.context.set_offline(False)
    patient.wait_for_answer()
    expect(patient.turn).to_contain_text("Most headaches")
    assert len(fake.sent("message")) == 1


def test_a_waiting_question_that_was_stopped_is_never_sent(patient: PatientPage, fake: FakeServer) -> None:
    patient.page.context.set_offline(True)
    patient.ask("never mind")
    patient.stop.click()
    patient.page.context.set_offline(False)
    expect(patient.banner).to_contain_text("connected again")
    assert fake.sent("message") == []
    assert fake.sent("stop") == []


def test_while_the_server_is_away_the_page_says_when_it_tries_again_and_a_button_tries_now(
    patient: PatientPage, fake: FakeServer
) -> None:
    fake.refusing = 1013
    fake.hang_up()
    expect(patient.banner).to_contain_text("The connection was lost. Trying again in")
    expect(patient.banner).to_contain_text("in 2 s", timeout=6000)
    fake.refusing = None
    patient.banner.get_by_role("button", name="Try now").click()
    expect(patient.banner).to_contain_text("You are connected again.")


def test_screen_readers_hear_of_a_break_once_however_often_it_tries(patient: PatientPage, fake: FakeServer) -> None:
    fake.refusing = 1013
    fake.hang_up()
    expect(patient.banner).to_contain_text("in 2 s", timeout=6000)
    assert len([line for line in patient.announced() if "lost" in line]) == 1


def test_the_waits_double_up_to_half_a_minute(patient: PatientPage) -> None:
    waits = patient.page.evaluate("""async () => { const { backoff } = await import('/web/socket.js');
        return [...Array(9).keys()].map(n => backoff(n, 0)); }""")
    assert waits == [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]


def test_a_message_that_the_server_hangs_up_on_is_given_back_and_not_repeated(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("too much", [HangUp(1009)])
    patient.ask_and_wait("too much")
    expect(patient.card("error")).to_contain_text("did not accept this message")
    expect(patient.banner).to_contain_text("connected again")
    assert len(fake.sent("message")) == 1


def test_when_the_server_closes_for_good_the_page_waits_for_the_person(patient: PatientPage, fake: FakeServer) -> None:
    fake.hang_up(1008)
    expect(patient.banner).to_contain_text("The server closed the connection.")
    patient.banner.get_by_role("button", name="Try now").click()
    expect(patient.banner).to_contain_text("connected again")


def test_a_session_that_the_server_forgot_is_told_and_a_new_one_begun(patient: PatientPage, fake: FakeServer) -> None:
    patient.ask_and_wait(HEADACHE)
    fake.session = "s-2"
    fake.hang_up()
    expect(patient.page.locator(".note")).to_contain_text("The earlier conversation has ended.")
    assert [hello.get("session") for hello in fake.sent("hello")] == [None, "s-1", None]
    patient.ask_and_wait(HEADACHE)
    expect(patient.turn).to_contain_text("Most headaches")


def test_feedback_given_offline_arrives_later(patient: PatientPage, fake: FakeServer) -> None:
    patient.ask_and_wait(HEADACHE)
    patient.page.context.set_offline(True)
    patient.turn.get_by_role("button", name="Yes, helpful").click()
    patient.page.context.set_offline(False)
    expect(patient.banner).to_contain_text("connected again")
    patient.ask_and_wait(HEADACHE)
    assert len(fake.sent("feedback")) == 1


def test_rating_an_answer_while_the_next_is_on_its_way_does_not_repeat_the_question(
    patient: PatientPage, fake: FakeServer
) -> None:
    fake.script("slow", [status("reading"), Hold("go"), sentence("Done."), done("answer")])
    patient.ask_and_wait(HEADACHE)
    patient.ask("slow")
    expect(patient.status).to_contain_text("Reading")
    patient.turns.first.get_by_role("button", name="Yes, helpful").click()
    fake.release("go")
    patient.wait_for_answer()
    assert [frame["text"] for frame in fake.sent("message")] == [HEADACHE, "slow"]


def test_changing_the_language_in_the_middle_of_an_answer_does_not_repeat_the_question(
    open_page: OpenPage, fake: FakeServer
) -> None:
    patient = open_page()
    fake.script("slow", [status("reading"), Hold("go"), *answer("en")])
    patient.ask("slow")
    expect(patient.status).to_contain_text("Reading")
    patient.page.get_by_role("button", name="中文").click()
    expect(patient.page.get_by_role("button", name="停止")).to_be_visible()
    fake.release("go")
    expect(patient.turn).to_contain_text("Most headaches")
    assert len(fake.sent("message")) == 1


def test_a_question_that_meets_the_end_of_the_one_before_is_sent_again(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("quick", [{"type": "error", "code": "busy", "detail": "wait"}], answer("en"))
    patient.ask_and_wait("quick")
    expect(patient.turn).to_contain_text("Most headaches")
    first, second = fake.sent("message")
    assert first == second
