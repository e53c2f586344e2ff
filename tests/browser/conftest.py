"""What every browser test starts from: a strict scripted server, one browser, a fresh tab."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog

from tests.browser.fake_server import FakeServer, Running
from tests.browser.pages import PatientPage, chromium

OpenPage = Callable[..., PatientPage]


# Package scope: Playwright leaves an event loop behind in the thread, which asyncio tests of other packages must not meet.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="package")
def served() -> Iterator[tuple[FakeServer, str]]:
    fake = FakeServer()
    with Running(fake.app) as address:
        yield fake, address


@pytest.fixture
def fake(served: tuple[FakeServer, str]) -> Iterator[FakeServer]:
    """The scripted server. A test fails when the page broke the contract."""
    server, _ = served
    server.reset()
    yield server
    assert server.problems == []


@pytest.fixture
def open_page(browser: Browser, served: tuple[FakeServer, str], fake: FakeServer) -> Iterator[OpenPage]:
    """Opens the page; a test fails when its script threw or the content policy was broken."""
    opened: list[PatientPage] = []
    faults: list[str] = []

    def note_dialog(dialog: Dialog) -> None:
        faults.append(f"dialog {dialog.message!r}")
        dialog.dismiss()

    def open_one(**options: Any) -> PatientPage:
        base = options.pop("base_url", served[1])
        patient = PatientPage.open(browser, base, **options)
        patient.page.on("pageerror", lambda error: faults.append(str(error)))
        patient.page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        patient.page.on("dialog", note_dialog)
        opened.append(patient)
        return patient

    yield open_one
    for patient in opened:
        patient.page.context.close()
    assert faults == []


@pytest.fixture
def patient(open_page: OpenPage) -> PatientPage:
    return open_page()
