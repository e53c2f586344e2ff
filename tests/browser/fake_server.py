"""A strict stand-in for the server: it says what the script says, and notes every frame that breaks the contract.

`python -m tests.browser.fake_server --port 8400` serves the page with all scenarios for a look by hand.
"""

import argparse
import asyncio
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.browser.scenarios import DISCLAIMER, HangUp, Hold, Step, Wait, answer, passage, plays

WEB = Path(__file__).parents[2] / "assistant" / "web"
CSP = b"default-src 'self'; img-src 'self' data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
# type -> (fields it must have, fields it may have)
CLIENT_FRAMES: Mapping[str, tuple[set[str], set[str]]] = {
    "hello": ({"locale", "role"}, {"token", "session", "patient_id", "country"}),
    "message": ({"id", "text"}, set()),
    "reply": ({"id", "question_id", "value"}, set()),
    "feedback": ({"turn_id", "rating"}, {"comment"}),
    "stop": ({"id"}, set()),
}


class SecurityHeaders:
    """The strict policy under which the page has to work."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", CSP)]
            await send(message)

        await self.app(scope, receive, with_policy)


def problem_of(frame: Any) -> str | None:
    """What is wrong with a client's frame, or None."""
    if not isinstance(frame, dict) or frame.get("type") not in CLIENT_FRAMES:
        return f"unknown frame {frame!r}"
    must, may = CLIENT_FRAMES[frame["type"]]
    fields = set(frame) - {"type"}
    if not must <= fields <= must | may:
        return f"{frame['type']} has fields {sorted(fields)}, needs {sorted(must)}"
    return next((f"{name} is not a string in {frame!r}" for name in fields if not isinstance(frame[name], str)), None)


class FakeServer:
    """Plays scripts over the chat socket. Everything the page sent is in `received`, every breach in `problems`."""

    def __init__(self) -> None:
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/api/v1/passages/{passage_id:path}", self._passage),
                WebSocketRoute("/api/v1/chat", self._chat),
                Mount("/web", StaticFiles(directory=WEB)),
            ],
            middleware=[Middleware(SecurityHeaders)],
        )
        self._sockets: set[WebSocket] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.reset()

    def reset(self) -> None:
        """Forgets all that a test did."""
        self.received: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.refusing: int | None = None
        self.session = "s-1"
        self.notices: list[str] = []
        self._plays = plays()
        self._released: set[str] = set()

    # ---- what a test says

    def script(self, text: str, *scripts: Sequence[Step]) -> None:
        """What is said to `text` (for a reply: to its value), the first time, the second, …; the last one repeats."""
        self._plays[text] = list(scripts)

    def release(self, name: str) -> None:
        self._released.add(name)

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.received if frame["type"] == kind]

    def hang_up(self, code: int = 1011) -> None:
        """Closes every socket."""
        assert self._loop is not None, "the server does not run; use serve()"
        for one in list(self._sockets):
            asyncio.run_coroutine_threadsafe(one.close(code), self._loop).result(5)

    # ---- what the server does

    async def _page(self, _: Request) -> Response:
        return FileResponse(WEB / "patient.html")

    async def _passage(self, request: Request) -> Response:
        found = passage(request.path_params["passage_id"], request.query_params.get("locale", "en"))
        return JSONResponse(found) if found else JSONResponse({"status": 404}, status_code=404)

    async def _chat(self, one: WebSocket) -> None:
        self._loop = asyncio.get_running_loop()
        await one.accept()
        if self.refusing is not None:
            return await one.close(self.refusing)
        self._sockets.add(one)
        turns: set[asyncio.Task[None]] = set()
        try:
            while True:
                frame = await one.receive_json()
                task = asyncio.create_task(self._take(one, frame))
                turns.add(task)
        except WebSocketDisconnect:
            pass
        finally:
            self._sockets.discard(one)
            for task in turns:
                task.cancel()

    async def _take(self, one: WebSocket, frame: Any) -> None:
        if problem := problem_of(frame):
            self.problems.append(problem)
            return
        self.received.append(frame)
        if frame["type"] == "hello" and frame.get("session", self.session) != self.session:
            await one.send_json({"type": "error", "id": None, "code": "unknown_session", "detail": "say hello without it"})
        elif frame["type"] == "hello":
            ready = {"type": "ready", "session": self.session, "disclaimer": DISCLAIMER[frame["locale"]]}
            await one.send_json({**ready, "notices": self.notices})
        elif frame["type"] in ("message", "reply"):
            await self._play(one, frame["id"], frame.get("text") or frame["value"])

    async def _play(self, one: WebSocket, turn: str, text: str) -> None:
        scripts = self._plays.get(text)
        if not scripts:
            self.problems.append(f"no script for {text!r}")
            return
        for step in scripts.pop(0) if len(scripts) > 1 else scripts[0]:
            match step:
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case Hold(name):
                    while name not in self._released:  # noqa: ASYNC110 - the test releases it from another thread
                        await asyncio.sleep(0.01)
                case HangUp(code):
                    await one.close(code)
                    return
                case _:
                    await one.send_json({"id": turn, **step})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    """A server in a thread of its own: `with Running(app) as address`."""

    def __init__(self, app: Starlette, port: int | None = None) -> None:
        self.port = port or free_port()
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error", lifespan="off")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        deadline = time.monotonic() + 10
        while not self.server.started:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the fake server did not start on port {self.port}; is it taken?")
            time.sleep(0.01)
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8400)
    fake = FakeServer()
    # The follow-up questions of the page and the answers to the scripted question lead to the same answer.
    for locale, texts in (("en", ["yes", "no", "unknown", "skip"]), ("zh", [])):
        for text in texts:
            fake.script(text, answer(locale))
    uvicorn.run(fake.app, host="127.0.0.1", port=parser.parse_args().port)


if __name__ == "__main__":
    main()
