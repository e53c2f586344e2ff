"""The product on a real vLLM: `make test-vllm`. One server is started for all of these; the last test kills it.

`make test` leaves this file out, because vLLM's environment takes a minute to install and the server another to start; CI runs both.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.models import ServedChat
from assistant.turn import Deps, run_turn
from assistant.types import Message, ModelUnavailable, Turn, TurnEvent
from retrieval.types import Locale
from tests.conftest import free_port
from tests.test_turn import deps

ROOT = Path(__file__).parents[2]
QUESTION = "What foods should I avoid with gout?"
LONG = [
    Message("system", "You tell long stories."),
    Message("user", "Tell me the story of a river, from its spring to the sea."),
]
STORY = 300  # tokens; the story is longer when nobody stops it
pytestmark = pytest.mark.timeout(900)


class Server:
    """A server process with all that it starts, and what it writes."""

    def __init__(self, command: list[str], port: int, log: Path, **environment: str) -> None:
        self.base, self.log = f"http://127.0.0.1:{port}", log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=out, stderr=out, start_new_session=True
            )

    def wait(self, path: str, seconds: float) -> None:
        """Until `path` answers; fails with the server's own words when it ends or takes too long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.base + path, timeout=2):
                    return
            except OSError:
                time.sleep(0.5)
        raise AssertionError(f"{path} did not answer (status {self.process.poll()}): {self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """At once, with its children, as when the machine goes down."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait(30)


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert (ROOT / ".venv-vllm/bin/python").exists(), "vLLM has an environment of its own: run `make test-vllm`"
    port = free_port()
    server = Server(["sh", "deploy/vllm.sh", str(port)], port, tmp_path_factory.mktemp("vllm") / "log")
    try:
        server.wait("/health", 600)
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def product(vllm: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`doctor serve`, told of vLLM by LLM_URL alone."""
    port, folder = free_port(), tmp_path_factory.mktemp("product")
    doctor = shutil.which("doctor", path=str(Path(sys.executable).parent)) or "doctor"
    settings = {"PORT": str(port), "DATA_DIR": str(folder), "LLM_URL": f"{vllm.base}/v1"}
    server = Server([doctor, "serve"], port, folder / "log", **settings)
    try:
        server.wait("/readyz", 500)  # it builds its index first
        yield server
    finally:
        server.kill()


@pytest.fixture
def model(vllm: Server) -> ServedChat:
    return ServedChat(f"{vllm.base}/v1", "virtual-doctor")


async def figure(vllm: Server, name: str) -> float:
    """One of vLLM's own figures, such as how many requests it works on."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{vllm.base}/metrics")).text
    found = re.search(rf"^vllm:{name}\{{[^}}]*\}} (\S+)$", text, re.M)
    assert found, f"vLLM has no figure {name!r}"
    return float(found[1])


async def written_until_idle(vllm: Server, since: float) -> float:
    """Tokens that vLLM wrote since its count stood at `since`, once it works on nothing any more."""
    for _ in range(600):
        if await figure(vllm, "num_requests_running") == 0:
            return await figure(vllm, "generation_tokens_total") - since
        await asyncio.sleep(0.1)
    raise AssertionError("vLLM still works on what nobody waits for")


async def ask(product: Server) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=120) as client:
        answer = await client.post(f"{product.base}/api/v1/chat", json={"text": QUESTION})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


class Long:
    """The served model, asked for something long; tells when it has begun to write."""

    locales: tuple[Locale, ...] = ("en",)

    def __init__(self, model: ServedChat) -> None:
        self.name, self.model, self.writing = model.name, model, asyncio.Event()

    async def stream(self, _: Any) -> AsyncIterator[str]:
        async with aclosing(self.model.stream(LONG)) as pieces:
            async for piece in pieces:
                self.writing.set()
                yield piece


async def ignore(_: TurnEvent) -> None:
    """Nobody listens."""


async def run_to_the_end(d: Deps) -> Turn:
    turn, _ = await d.store.start_turn(Turn("s", "m", "my child has a fever"))
    await run_turn(turn, d, ignore)
    return turn


def is_safe(turn: Turn) -> bool:
    """Answered from the guideline's own claims, and on record."""
    return turn.answer is not None and turn.answer.kind == "answer" and turn.path == "composed" and bool(turn.shown)


async def test_a_reply_comes_in_pieces_and_is_the_same_again(model: ServedChat) -> None:
    asked = [Message("system", "Answer in one short sentence."), Message("user", "Say hello.")]
    pieces = [piece async for piece in model.stream(asked)]
    assert len(pieces) > 1
    assert "".join(pieces) == "".join([piece async for piece in model.stream(asked)])


async def test_hanging_up_stops_the_server(vllm: Server, model: ServedChat) -> None:
    before = await figure(vllm, "generation_tokens_total")
    async with aclosing(model.stream(LONG)) as pieces:
        await anext(pieces)
        assert await figure(vllm, "num_requests_running") == 1
    assert await written_until_idle(vllm, before) < STORY


async def test_a_stopped_turn_stops_the_server_and_is_on_record(vllm: Server, model: ServedChat) -> None:
    before, long = await figure(vllm, "generation_tokens_total"), Long(model)
    turn, d = Turn("s", "m", "my child has a fever"), deps(model=long, most_dropped=99)
    running = asyncio.create_task(run_turn(turn, d, ignore))
    await long.writing.wait()
    turn.stop()
    await running
    assert turn.stopped
    assert [recorded["stopped"] for _, recorded in d.store.finished] == [True]  # type: ignore[attr-defined]
    assert await written_until_idle(vllm, before) < STORY


async def test_many_turns_at_once_are_all_answered(model: ServedChat) -> None:
    turns = await asyncio.gather(*(run_to_the_end(deps(model=model)) for _ in range(8)))
    assert [turn.answer is not None and turn.answer.kind for turn in turns] == ["answer"] * 8


async def test_a_whole_turn_of_the_product_asks_vllm(vllm: Server, product: Server) -> None:
    before = await figure(vllm, "prompt_tokens_total")
    body = await ask(product)
    assert body["kind"] == "answer"
    assert body["sources"][0]["topic"] == "Gout"
    assert all(sentence["citations"] for sentence in body["sentences"])
    assert await figure(vllm, "prompt_tokens_total") - before > 100  # the evidence went to vLLM
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{product.base}/readyz")).json()["model"] == "virtual-doctor"


async def test_a_server_that_is_not_there_leaves_the_answer_to_the_claims() -> None:
    turn = await run_to_the_end(deps(model=ServedChat(f"http://127.0.0.1:{free_port()}/v1", "virtual-doctor", timeout_s=5)))
    assert is_safe(turn)
    assert "ModelUnavailable" in turn.error


async def test_a_model_that_the_server_does_not_know_leaves_the_answer_to_the_claims(vllm: Server) -> None:
    assert is_safe(await run_to_the_end(deps(model=ServedChat(f"{vllm.base}/v1", "other"))))


async def test_a_server_that_dies_in_the_midst_of_an_answer_leaves_it_to_the_claims(
    vllm: Server, product: Server, model: ServedChat
) -> None:
    """Last, because nothing answers afterwards."""
    turn, long = Turn("s", "m", "my child has a fever"), Long(model)
    running = asyncio.create_task(run_turn(turn, deps(model=long, most_dropped=99), ignore))
    await long.writing.wait()
    vllm.kill()
    await running
    assert is_safe(turn)
    assert "ModelUnavailable" in turn.error
    with pytest.raises(ModelUnavailable, match="LLM_URL"):
        [piece async for piece in model.stream(LONG)]
    body = await ask(product)
    assert body["kind"] == "answer"
    assert body["path"] == "composed"
