"""Pictures of every state for the documentation: `python -m tests.browser.screenshots [--base URL] [--all]`.

Without `--base` the scripted server is used. `--all` takes both languages, both themes and both sizes of each state;
without it only the pictures that `docs/screenshots/` keeps.
"""

import argparse
from contextlib import nullcontext
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.fake_server import FakeServer, Running
from tests.browser.pages import DESKTOP, PHONE, Locale, PatientPage, Theme, chromium
from tests.browser.scenarios import ASKED

HOME = Path(__file__).parents[2] / "docs" / "screenshots"
SIZES = {"phone": PHONE, "desktop": DESKTOP}
STATES = ("first", "answer", "emergency", "crisis", "refusal", "question", "source")
KEPT: list[tuple[str, Locale, Theme, str]] = [
    ("first", "en", "light", "phone"), ("first", "zh", "light", "desktop"), ("answer", "en", "light", "desktop"),
    ("answer", "zh", "light", "phone"), ("answer", "en", "dark", "phone"), ("source", "en", "light", "desktop"),
    ("emergency", "en", "light", "phone"), ("emergency", "zh", "dark", "phone"), ("crisis", "zh", "light", "phone"),
    ("crisis", "en", "dark", "desktop"), ("refusal", "en", "light", "phone"), ("question", "zh", "light", "phone"),
]  # fmt: skip
ALL = list(product(STATES, ("en", "zh"), ("light", "dark"), SIZES))


def take(browser: Browser, base: str, state: str, locale: Locale, theme: Theme, size: str, folder: Path) -> Path:
    patient = PatientPage.open(browser, base, locale=locale, theme=theme, size=SIZES[size], touch=size == "phone")
    if state != "first":
        patient.ask_and_wait(ASKED["answer" if state == "source" else state][locale])
    if state == "source":
        patient.turn.locator(".chip").first.click()
        patient.dialog.locator("blockquote").wait_for()
    patient.page.wait_for_timeout(300)  # fonts
    path = folder / f"{state}-{locale}-{theme}-{size}.png"
    patient.page.screenshot(path=path)
    patient.page.context.close()
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="address of a running server; the scripted one when left out")
    parser.add_argument("--all", action="store_true", help="every combination")
    parser.add_argument("--out", type=Path, default=HOME)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    serving = nullcontext(options.base) if options.base else Running(FakeServer().app)
    with serving as base, chromium() as browser:
        for state, locale, theme, size in ALL if options.all else KEPT:
            print(take(browser, base, state, locale, theme, size, options.out))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
