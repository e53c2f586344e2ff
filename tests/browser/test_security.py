"""Text from the server stays text, and nothing leaves for elsewhere."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.pages import PatientPage
from tests.browser.scenarios import ASKED, done, sentence, source

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
SCRIPT_LINK = "javascript:alert(3)"


def foreign_nodes(patient: PatientPage) -> int:
    return int(
        patient.inside("""root => root
        .querySelectorAll('img, script, iframe, object, [onerror], [href^="javascript:"]').length""")
    )


def test_markup_in_sentences_and_sources_is_shown_as_text(patient: PatientPage, fake: FakeServer) -> None:
    one = source("E1", "gone/x#y", EVIL, EVIL, 2024, SCRIPT_LINK, EVIL)
    fake.script("evil", [sentence(EVIL, "E1", section=EVIL), done("answer", sources=[one], disclaimer=EVIL)])
    patient.ask_and_wait("evil")
    expect(patient.turn.locator(".lines p")).to_contain_text(EVIL)
    expect(patient.turn.locator(".source")).to_contain_text(EVIL)
    patient.turn.locator(".chip").click()
    expect(patient.dialog.locator("blockquote")).to_contain_text(EVIL)
    expect(patient.dialog.get_by_role("link")).to_have_count(0)
    assert foreign_nodes(patient) == 0


def test_markup_in_questions_reasons_and_helplines_is_shown_as_text(patient: PatientPage, fake: FakeServer) -> None:
    asked = {"type": "question", "question_id": EVIL, "text": EVIL, "choices": [{"value": EVIL, "label": EVIL}]}
    reasons = [{"rule": EVIL, "text": EVIL, "citation": EVIL, "words": [EVIL]}]
    call = {"ambulance": EVIL, "lines": [{"name": EVIL, "phone": SCRIPT_LINK, "url": SCRIPT_LINK}]}
    level = {"type": "disposition", "level": "emergency", "reasons": reasons}
    fake.script("evil", [level, sentence(EVIL), done("emergency", call=call)])
    fake.script("evil question", [asked, done("question")])
    patient.ask_and_wait("evil")
    expect(patient.card("emergency")).to_contain_text(EVIL)
    patient.ask_and_wait("evil question")
    expect(patient.turn.locator("legend")).to_have_text(EVIL)
    assert foreign_nodes(patient) == 0


def test_an_artifact_from_another_site_is_neither_loaded_nor_linked(patient: PatientPage, fake: FakeServer) -> None:
    there = {
        "type": "artifact",
        "kind": "image",
        "url": "https://elsewhere.example/x.png",
        "text": "A picture",
        "provenance": {},
    }
    script = {"type": "artifact", "kind": "document", "url": SCRIPT_LINK, "text": "A plan", "provenance": EVIL}
    fake.script("more", [sentence("Here."), there, script, done("answer")])
    patient.ask_and_wait("more")
    expect(patient.turn).to_contain_text("A picture")
    expect(patient.turn.locator(".artifact a")).to_have_count(0)
    assert foreign_nodes(patient) == 0


def test_what_the_person_types_is_shown_as_text(patient: PatientPage, fake: FakeServer) -> None:
    fake.script(EVIL, [sentence("Understood."), done("answer")])
    patient.ask_and_wait(EVIL)
    expect(patient.turn.locator(".asked p")).to_have_text(EVIL)
    assert foreign_nodes(patient) == 0


def test_the_page_asks_nobody_but_its_own_server(open_page: OpenPage) -> None:
    patient = open_page()
    asked: list[str] = []
    patient.page.on("request", lambda request: asked.append(request.url))
    patient.page.reload()
    patient.ask_and_wait(ASKED["answer"]["en"])
    patient.turn.locator(".chip").first.click()
    patient.dialog.locator("mark").wait_for()
    home = patient.page.evaluate("location.origin")
    assert asked
    assert all(url.startswith(home) for url in asked)
