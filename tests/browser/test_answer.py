"""Asking, the answer as it arrives, its cards and sources, and what follows."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.pages import PatientPage
from tests.browser.scenarios import ASKED, CLAIMS, DISCLAIMER, Hold, done, sentence, source, status

HEADACHE = ASKED["answer"]["en"]


def test_the_status_is_told_in_words_on_the_page_and_to_screen_readers(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("slow", [status("reading"), Hold("go"), done("answer")])
    patient.ask("slow")
    expect(patient.status).to_have_text("Reading the health guidance…")
    assert "Reading the health guidance…" in patient.announced()
    fake.release("go")
    expect(patient.status).to_be_hidden()


def test_each_sentence_is_shown_and_announced_whole_as_it_arrives(patient: PatientPage, fake: FakeServer) -> None:
    fake.script(
        "slow", [sentence("First one.", "E1"), Hold("second"), sentence("Second one.", "E1"), Hold("end"), done("answer")]
    )
    patient.ask("slow")
    expect(patient.turn).to_contain_text("First one.")
    expect(patient.turn).not_to_contain_text("Second one.")
    fake.release("second")
    expect(patient.turn).to_contain_text("Second one.")
    assert [line for line in patient.announced() if line.endswith("one.")] == ["First one.", "Second one."]
    fake.release("end")
    patient.wait_for_answer()


def test_stop_ends_the_answer_tells_the_server_and_keeps_what_was_verified(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("slow", [sentence("First one."), Hold("go"), sentence("Too late."), done("answer")])
    patient.ask("slow")
    expect(patient.turn).to_contain_text("First one.")
    patient.stop.click()
    expect(patient.turn).to_contain_text("You stopped this answer. It may be incomplete.")
    fake.release("go")
    patient.ask_and_wait(HEADACHE)
    assert fake.sent("stop") == [{"type": "stop", "id": fake.sent("message")[0]["id"]}]
    expect(patient.turns.first).not_to_contain_text("Too late.")


def test_an_emergency_that_arrives_after_stop_is_shown_all_the_same(patient: PatientPage, fake: FakeServer) -> None:
    fake.script("slow", [status("checking"), Hold("go"), sentence("Call 120 now."), done("emergency")])
    patient.ask("slow")
    expect(patient.status).to_contain_text("urgent")
    patient.stop.click()
    fake.release("go")
    expect(patient.card("emergency")).to_contain_text("Call 120 now.")


def test_the_answer_is_grouped_into_care_cards_by_urgency_with_words_in_every_heading(patient: PatientPage) -> None:
    patient.ask_and_wait(HEADACHE)
    headings = patient.turn.locator(".card-heading").all_inner_texts()
    plain = [" ".join(heading.split()) for heading in headings]
    assert plain == [
        "Self-care: Self-care", "Emergency: When to call an ambulance", "Urgent: When to get help today",
        "Not urgent: When to book a visit", "Self-care: What you can do yourself",
    ]  # fmt: skip


def test_the_part_that_the_answer_opens_with_stays_above_the_cards(patient: PatientPage, fake: FakeServer) -> None:
    said = [
        sentence("Stress can cause it.", section="causes"),
        sentence("Call now if it is sudden.", section="get_help.emergency"),
    ]
    fake.script("why", [*said, sentence("In short.", section="overview"), done("answer")])
    patient.ask_and_wait("why")
    text = patient.turn.locator(".answer").inner_text()
    assert text.index("Stress") < text.index("In short.") < text.index("Call now")


def test_a_sentence_from_the_record_stands_apart_and_is_marked(patient: PatientPage, fake: FakeServer) -> None:
    fake.script(
        "mine", [sentence("Drink water."), sentence("You take a blood thinner.", "R1", ledger="record"), done("answer")]
    )
    patient.ask_and_wait("mine")
    expect(patient.turn.locator(".part-record")).to_contain_text("From your record")
    expect(patient.turn.locator(".part-record")).not_to_contain_text("Drink water.")


def test_what_the_persons_words_call_for_comes_first_with_the_reason(patient: PatientPage) -> None:
    patient.ask_and_wait(HEADACHE)
    first = patient.turn.locator(".answer > *").first
    expect(first).to_have_class("card card-self_care")
    expect(first).to_contain_text("You wrote of two days of headache and of no danger sign.")


def test_a_chip_opens_the_passage_with_the_claim_marked_and_its_source(patient: PatientPage) -> None:
    patient.ask_and_wait(HEADACHE)
    chip = patient.turn.locator(".chip", has_text="[3]").first
    chip.click()
    dialog = patient.dialog
    expect(dialog.locator("mark")).to_have_text(CLAIMS["headache/get_help.emergency#sudden"][0])
    for words in ("NICE", "2012", "Last reviewed", "2026-11-24", "(CG150)"):
        expect(dialog).to_contain_text(words)
    link = dialog.get_by_role("link", name="Read the original")
    expect(link).to_have_attribute("href", "https://www.nice.org.uk/guidance/cg150")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    patient.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert patient.focused() == "button.chip", "closing gives the focus back to the chip"


def test_the_claim_in_chinese_is_found_and_marked(open_page: OpenPage) -> None:
    patient = open_page(locale="zh")
    patient.ask_and_wait(ASKED["answer"]["zh"])
    patient.turn.locator(".chip", has_text="[1]").nth(1).click()
    expect(patient.dialog.locator("mark")).to_have_text(CLAIMS["headache/overview#tension"][1])


def test_the_claims_that_the_server_names_are_the_ones_marked(patient: PatientPage, fake: FakeServer) -> None:
    first, second = CLAIMS["headache/overview#harmless"][0], CLAIMS["headache/overview#tension"][0]
    named = {**sentence(first, "E1"), "claims": ["headache/overview#tension"]}
    one = source("E1", "headache/overview#harmless", "A leaflet", "A publisher", 2024, None, first)
    fake.script("named", [named, done("answer", sources=[one])])
    patient.ask_and_wait("named")
    patient.turn.locator(".chip").click()
    expect(patient.dialog.locator("mark")).to_have_text(second)


def test_when_the_passage_cannot_be_opened_what_came_with_the_answer_is_shown(patient: PatientPage, fake: FakeServer) -> None:
    one = source("E1", "gone/overview#x", "A leaflet", "A publisher", 2024, None, "The words of the passage.")
    fake.script("lost", [sentence("Something.", "E1"), done("answer", sources=[one])])
    patient.ask_and_wait("lost")
    patient.turn.locator(".chip").click()
    expect(patient.dialog).to_contain_text("The words of the passage.")
    expect(patient.dialog).to_contain_text("could not be opened")


def test_chips_wait_disabled_until_the_sources_are_known(patient: PatientPage, fake: FakeServer) -> None:
    one = source("E1", "headache/overview#harmless", "A leaflet", "A publisher", 2024, None, "Words.")
    fake.script("slow", [sentence("Something.", "E1"), Hold("go"), done("answer", sources=[one])])
    patient.ask("slow")
    expect(patient.turn.locator(".chip")).to_be_disabled()
    fake.release("go")
    expect(patient.turn.locator(".chip")).to_be_enabled()


def test_the_sources_are_listed_under_the_answer_with_the_disclaimer(patient: PatientPage) -> None:
    patient.ask_and_wait(HEADACHE)
    expect(patient.turn.locator(".source")).to_have_count(5)
    expect(patient.turn.locator(".source").first).to_contain_text("WHO, 2024")
    expect(patient.turn).to_contain_text(DISCLAIMER["en"])


def test_further_questions_are_offered_for_what_the_answer_leaves_out_and_asked_on_a_tap(
    patient: PatientPage, fake: FakeServer
) -> None:
    fake.script("How can I prevent it?", [sentence("Sleep well.", section="prevention"), done("answer")])
    patient.ask_and_wait(HEADACHE)
    offers = patient.turn.locator(".follow .suggestion")
    assert offers.all_inner_texts() == ["What can cause this?", "How can I prevent it?"]
    offers.last.click()
    patient.wait_for_answer()
    expect(patient.turn).to_contain_text("Sleep well.")
    expect(patient.turns.first.locator(".follow")).to_have_count(0)


def test_the_servers_own_suggestions_and_notices_go_before_the_pages(patient: PatientPage, fake: FakeServer) -> None:
    more = {"suggestions": ["What about my job?"], "notices": ["Put together from the guidance, word for word."]}
    fake.script("more", [sentence("Rest."), done("answer", **more)])
    patient.ask_and_wait("more")
    assert patient.turn.locator(".follow .suggestion").all_inner_texts() == ["What about my job?"]
    expect(patient.turn).to_contain_text("word for word")


def test_helpful_sends_one_rating_and_thanks(patient: PatientPage, fake: FakeServer) -> None:
    patient.ask_and_wait(HEADACHE)
    patient.turn.get_by_role("button", name="Yes, helpful").click()
    expect(patient.turn.locator(".thanks")).to_be_focused()
    patient.ask_and_wait(HEADACHE)
    assert fake.sent("feedback") == [{"type": "feedback", "turn_id": "t-answer", "rating": "helpful"}]


def test_not_helpful_asks_what_was_wrong_and_sends_the_comment(patient: PatientPage, fake: FakeServer) -> None:
    patient.ask_and_wait(HEADACHE)
    patient.turn.get_by_role("button", name="No, not helpful").click()
    comment = patient.turn.get_by_label("What was wrong or missing?")
    expect(comment).to_be_focused()
    comment.fill("Too long.")
    patient.turn.get_by_role("button", name="Send").click()
    expect(patient.turn).to_contain_text("Thank you for telling us.")
    patient.ask_and_wait(HEADACHE)
    assert fake.sent("feedback") == [
        {"type": "feedback", "turn_id": "t-answer", "rating": "not_helpful", "comment": "Too long."}
    ]


def test_on_paper_there_are_the_answer_and_the_addresses_of_its_sources_but_no_controls(patient: PatientPage) -> None:
    patient.ask_and_wait(HEADACHE)
    patient.page.emulate_media(media="print")
    expect(patient.field).to_be_hidden()
    expect(patient.page.locator(".tools")).to_be_hidden()
    expect(patient.turn.locator(".feedback")).to_be_hidden()
    expect(patient.turn.locator(".print-only").first).to_have_text(
        "https://www.who.int/news-room/fact-sheets/detail/headache-disorders"
    )
    height = patient.inside("root => root.querySelector('.scroll').clientHeight")
    assert height > 1000, "the whole answer is on the paper, not only what fits the window"
