"""Two languages, two themes."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.fake_server import FakeServer
from tests.browser.pages import PatientPage
from tests.browser.scenarios import ASKED, answer


def frame_language(patient: PatientPage) -> str | None:
    return patient.page.locator(".frame").get_attribute("lang")


def test_the_language_of_the_browser_is_taken(open_page: OpenPage, fake: FakeServer) -> None:
    patient = open_page(locale="zh")
    expect(patient.page.locator(".welcome")).to_contain_text("您想了解什么")
    expect(patient.page).to_have_title("虚拟医生")
    assert patient.page.evaluate("document.documentElement.lang") == "zh-CN"
    assert fake.sent("hello")[0]["locale"] == "zh"


def test_switching_keeps_conversation_and_typing_and_says_hello_in_the_other_language(
    patient: PatientPage, fake: FakeServer
) -> None:
    patient.ask_and_wait(ASKED["answer"]["en"])
    patient.field.fill("and now")
    patient.page.get_by_role("button", name="中文").click()
    expect(patient.page.get_by_label("您的问题", exact=True)).to_have_value("and now")
    expect(patient.turn).to_contain_text("Most headaches")
    expect(patient.page.locator(".tool-language")).to_be_focused()
    expect(patient.page.locator(".tool-language")).to_have_text("English")
    patient.words = {"field": "您的问题", "send": "提问", "stop": "停止", "new": "新对话"}
    patient.ask_and_wait(ASKED["answer"]["zh"])
    assert [(hello["locale"], hello.get("session")) for hello in fake.sent("hello")] == [("en", None), ("zh", "s-1")]


def test_every_turn_keeps_the_language_it_was_asked_in_and_is_marked_with_it(patient: PatientPage) -> None:
    patient.ask_and_wait(ASKED["answer"]["en"])
    patient.page.get_by_role("button", name="中文").click()
    patient.words = {"field": "您的问题", "send": "提问", "stop": "停止", "new": "新对话"}
    patient.ask_and_wait(ASKED["answer"]["zh"])
    assert frame_language(patient) == "zh-CN"
    assert [turn.get_attribute("lang") for turn in patient.turns.all()] == ["en", "zh-CN"]
    patient.turns.first.locator(".chip").first.click()
    expect(patient.dialog).to_have_attribute("lang", "en")
    expect(patient.dialog.locator("mark")).to_contain_text("Most headaches")


def test_a_title_or_question_in_the_other_language_is_marked_with_it(open_page: OpenPage, fake: FakeServer) -> None:
    patient = open_page()
    fake.script(ASKED["answer"]["zh"], answer("en"))
    patient.ask_and_wait(ASKED["answer"]["zh"])
    expect(patient.turn.locator(".asked p")).to_have_attribute("lang", "zh-CN")
    titles = patient.turn.locator(".source-title")
    assert titles.nth(0).get_attribute("lang") is None
    expect(titles.nth(1)).to_have_attribute("lang", "zh-CN")
    patient.turn.locator(".source").nth(1).click()
    expect(patient.dialog.locator("h2 span")).to_have_attribute("lang", "zh-CN")


def test_the_button_for_the_other_language_is_marked_with_that_language(open_page: OpenPage) -> None:
    expect(open_page().page.get_by_role("button", name="中文")).to_have_attribute("lang", "zh-CN")
    expect(open_page(locale="zh").page.get_by_role("button", name="English")).to_have_attribute("lang", "en")


def test_the_choice_of_language_and_colours_outlives_a_reload(patient: PatientPage) -> None:
    patient.page.get_by_role("button", name="中文").click()
    patient.page.get_by_role("button", name="颜色：切换为深色").click()
    patient.page.reload()
    expect(patient.page.locator(".frame[data-theme=dark][lang=zh-CN]")).to_be_visible()


def test_the_portals_locale_attribute_goes_before_the_browsers_language(open_page: OpenPage) -> None:
    patient = open_page()
    patient.page.evaluate("document.querySelector('virtual-doctor').setAttribute('locale', 'zh')")
    expect(patient.page.locator(".welcome")).to_contain_text("您想了解什么")


def test_the_theme_follows_the_system_and_can_be_switched(open_page: OpenPage) -> None:
    patient = open_page(theme="dark")
    frame = patient.page.locator(".frame")
    expect(frame).to_have_attribute("data-theme", "dark")
    patient.page.emulate_media(color_scheme="light")
    expect(frame).to_have_attribute("data-theme", "light")
    patient.page.get_by_role("button", name="Colours: switch to Dark").click()
    expect(frame).to_have_attribute("data-theme", "dark")
    expect(patient.page.locator(".tool-theme")).to_be_focused()
    patient.page.emulate_media(color_scheme="light")
    expect(frame).to_have_attribute("data-theme", "dark")
