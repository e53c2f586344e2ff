"""Pictures of every state for the documentation: `python -m tests.browser.screenshots [--base URL] [--all]`.

They are taken from the real product, started as the README says, or from a server that runs (`--base`). `--all` takes every
combination of language, theme and size; without it only the pictures that `docs/screenshots/` keeps.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from tests.browser.pages import DESKTOP, PHONE, Locale, PatientPage, Theme, chromium
from tests.conftest import free_port, wait_for

HOME = Path(__file__).parents[2] / "docs" / "screenshots"
SIZES = {"phone": PHONE, "desktop": DESKTOP}
SLOW_MS = 60_000  # a small model on a small machine
ASKED: dict[str, dict[Locale, str]] = {
    "answer": {"en": "How do I bring down a child's fever?", "zh": "孩子发烧怎么办"},
    "emergency": {"en": "I have chest pain and my left arm feels numb", "zh": "我胸口痛，左胳膊发麻"},
    "crisis": {"en": "I do not want to live any more", "zh": "我不想活了"},
    "refusal": {"en": "How is sarcoidosis treated?", "zh": "结节病怎么治疗？"},
    "question": {"en": "I feel tired all the time", "zh": "我总是觉得很累"},
}
STATES = ("first", *ASKED, "source")
LOOKS: list[tuple[Locale, Theme, str]] = [  # each language in each theme, each size in each language and each theme
    ("en", "light", "phone"), ("en", "dark", "desktop"), ("zh", "light", "desktop"), ("zh", "dark", "phone"),
]  # fmt: skip
ALL: list[tuple[Locale, Theme, str]] = list(product(("en", "zh"), ("light", "dark"), SIZES))


@contextmanager
def doctor() -> Iterator[str]:
    """`doctor serve` on a free port with an index of its own; gives its address."""
    port, command = free_port(), shutil.which("doctor", path=str(Path(sys.executable).parent)) or "doctor"
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "PORT": str(port), "DATA_DIR": folder}
        process = subprocess.Popen([command, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", process, 600)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def take(browser: Browser, base: str, state: str, locale: Locale, theme: Theme, size: str, folder: Path) -> Path:
    patient = PatientPage.open(browser, base, locale=locale, theme=theme, size=SIZES[size], touch=size == "phone")
    if state != "first":
        patient.ask(ASKED["answer" if state == "source" else state][locale])
        patient.wait_for_answer(SLOW_MS)
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
    parser.add_argument("--base", help="address of a running server; the product is started when left out")
    parser.add_argument("--all", action="store_true", help="every combination")
    parser.add_argument("--out", type=Path, default=HOME)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with nullcontext(options.base) if options.base else doctor() as base, chromium() as browser:
        for state, (locale, theme, size) in product(STATES, ALL if options.all else LOOKS):
            print(take(browser, base, state, locale, theme, size, options.out))


if __name__ == "__main__":
    main()
