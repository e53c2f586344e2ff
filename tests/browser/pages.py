"""The patient page as a person meets it. Works against any server that serves the page: give it a base address."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from playwright.sync_api import Browser, Locator, Page, sync_playwright

Locale = Literal["en", "zh"]
Theme = Literal["light", "dark"]
PHONE = (390, 844)
DESKTOP = (1280, 900)
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
LANGUAGE = {"en": "en-GB", "zh": "zh-CN"}
WORDS = {
    "en": {"field": "Your question", "send": "Ask", "stop": "Stop", "new": "New chat"},
    "zh": {"field": "您的问题", "send": "提问", "stop": "停止", "new": "新对话"},
}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    path = shutil.which("chromium")
    if path is None:
        raise RuntimeError("chromium is missing: apt-get update && apt-get install -y chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class PatientPage:
    """One tab with the patient page in it."""

    def __init__(self, page: Page, locale: Locale) -> None:
        self.page = page
        self.words = WORDS[locale]

    @classmethod
    def open(
        cls,
        browser: Browser,
        base_url: str,
        *,
        locale: Locale = "en",
        theme: Theme = "light",
        size: tuple[int, int] = DESKTOP,
        touch: bool = False,
        bypass_csp: bool = False,
    ) -> "PatientPage":
        context = browser.new_context(
            locale=LANGUAGE[locale],
            color_scheme=theme,
            reduced_motion="reduce",
            viewport={"width": size[0], "height": size[1]},
            has_touch=touch,
            bypass_csp=bypass_csp,
        )
        page = context.new_page()
        page.set_default_timeout(5000)
        page.goto(base_url)
        patient = cls(page, locale)
        patient.field.wait_for()
        return patient

    @property
    def field(self) -> Locator:
        return self.page.locator("textarea#question")

    @property
    def send(self) -> Locator:
        return self.page.get_by_role("button", name=self.words["send"], exact=True)

    @property
    def stop(self) -> Locator:
        return self.page.get_by_role("button", name=self.words["stop"], exact=True)

    @property
    def turns(self) -> Locator:
        return self.page.locator("article.turn")

    @property
    def turn(self) -> Locator:
        """The latest question with its answer."""
        return self.turns.last

    @property
    def status(self) -> Locator:
        return self.turn.locator(".status")

    @property
    def banner(self) -> Locator:
        return self.page.locator(".banner")

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog[open]")

    def card(self, name: str) -> Locator:
        """The latest turn's card: emergency, urgent, routine, self_care, crisis, refusal, unavailable or error."""
        return self.turn.locator(f".card-{name}")

    def ask(self, text: str) -> None:
        """Types a question and sends it with Enter."""
        self.field.fill(text)
        self.field.press("Enter")

    def ask_and_wait(self, text: str) -> None:
        self.ask(text)
        self.wait_for_answer()

    def wait_for_answer(self, timeout: float = 5000) -> None:
        """Until the latest turn has ended, however it ended."""
        self.turn.wait_for()
        self.stop.wait_for(state="hidden", timeout=timeout)

    def focused(self) -> str:
        """Tag and class of what has the focus, through shadow roots."""
        script = """() => { let node = document.activeElement;
            while (node.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
            return `${node.localName}.${node.className}`; }"""
        return str(self.page.evaluate(script))

    def announced(self) -> list[str]:
        """What screen readers were told, sentence by sentence."""
        return self.page.locator(".announcer p").all_inner_texts()

    def inside(self, script: str) -> Any:
        """What `script`, a function of the component's shadow root, returns."""
        return self.page.locator("virtual-doctor").evaluate(f"host => ({script})(host.shadowRoot)")

    def overflow(self) -> list[str]:
        """What sticks out of the window sideways, or is cut off by the box around it."""
        script = """root => [...root.querySelectorAll('*')]
            .filter(node => node.getClientRects().length && !node.closest('.unseen, .skip'))
            .filter(node => { const box = node.getBoundingClientRect(); return box.right > innerWidth + 1 || box.left < -1; })
            .map(node => `${node.localName}.${node.className}`)"""
        found: list[str] = self.inside(script)
        return found
