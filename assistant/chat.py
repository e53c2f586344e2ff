"""One chat connection: frames in, frames out. Knows nothing of HTTP; `assistant.app` lends it send and receive."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from assistant.live import LiveTurns
from assistant.turn import Deps
from assistant.types import Role, StoreFailed, Turn, TurnEvent, UnknownSession
from assistant.wire import ClientFrame, FeedbackFrame, Hello, MessageFrame, ReplyFrame, StopFrame, frame
from retrieval.types import Locale
from safety.helplines import call_for
from safety.replies import reply

log = logging.getLogger(__name__)
SKIP = "skip"  # the reply of somebody whom none of the choices fits
NOT_RECORDED = "the answer could not be recorded, so it is not shown; try again"
MOST_INVALID = 10  # invalid frames after which the connection is closed
_frames: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Connection:
    """The state of one socket."""

    live: LiveTurns
    send: Send
    country: str | None = None
    session: str | None = None
    locale: Locale = "en"
    role: Role = "patient"
    invalid: int = 0
    last: Turn | None = None  # the turn that runs, or the one before, whose question a reply may answer
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def deps(self) -> Deps:
        return self.live.deps

    async def take(self, text: str | bytes) -> bool:
        """Handles one frame. False when the connection should be closed, after too many invalid frames."""
        try:
            item = _frames.validate_python(json.loads(text))
        except (ValidationError, ValueError, RecursionError) as error:
            self.invalid += 1
            await self._error(_frame_id(text), "invalid_frame", _why(error))
            return self.invalid < MOST_INVALID
        try:
            await self._handle(item)
        except UnknownSession as error:
            await self._error(getattr(item, "id", None), "unknown_session", str(error))
        except StoreFailed:
            await self._error(
                getattr(item, "id", None),
                "not_recorded",
                "the message could not be recorded, so it was not answered; try again",
            )
        return True

    async def close(self) -> None:
        """Stops what still runs and waits until it is on record, as stopped: a message that is sent again is asked again."""
        if self.running and self.last:
            self.last.stop()
        await asyncio.gather(*self.running.values(), return_exceptions=True)

    async def _handle(self, item: ClientFrame) -> None:
        match item:
            case Hello():
                self.locale, self.role, self.country = item.locale, item.role, item.country or self.country
                await self._open(item.session)
            case MessageFrame():
                await self._start(item.id, item.text)
            case ReplyFrame():
                await self._reply(item)
            case StopFrame():
                if item.id in self.running and self.last:
                    self.last.stop()
            case FeedbackFrame():
                await self.deps.store.add_feedback(item.turn_id, item.rating, item.comment)

    async def _open(self, session: str | None) -> None:
        self.session = await self.deps.store.open_session(locale=self.locale, role=self.role, session_id=session)
        await self.send(
            {
                "type": "ready",
                "session": self.session,
                "disclaimer": reply("disclaimer", self.locale),
                "notices": [],
                "call": call_for(self.country, self.locale, crisis=False),
            }
        )

    async def _reply(self, item: ReplyFrame) -> None:
        """A chosen topic asks the last question again, about that topic. Any other reply is a message: the turn knows what was asked."""
        last = self.last if self.last and self.last.asks == item.question_id else None
        offered = [value for value, _ in last.choices] if last else []
        if last and offered and last.asks == "topic" and (item.value in offered or item.value == SKIP):
            await self._start(item.id, last.user_text, chosen="" if item.value == SKIP else item.value)
        else:
            # An interview's last choice is "not sure": what somebody who skips its question leaves open.
            await self._start(item.id, offered[-1] if offered and item.value == SKIP else item.value)

    async def _start(self, client_id: str, text: str, chosen: str | None = None) -> None:
        if self.session is None:
            await self._error(client_id, "no_hello", "send a `hello` frame first")
        elif self.running:
            await self._error(
                client_id, "busy", "the last message is still being answered; wait for its `done` frame or send `stop`"
            )
        else:
            self.last = Turn(str(self.session), client_id, text, self.locale, self.role, self.country, chosen)
            self.running[client_id] = asyncio.create_task(self._turn(self.last))
            self.running[client_id].add_done_callback(lambda _: self.running.pop(client_id, None))

    async def _turn(self, turn: Turn) -> None:
        async def emit(event: TurnEvent) -> None:
            await self._send_to(turn, frame(event, turn.client_id))

        try:
            _, recorded = await self.deps.store.start_turn(turn)
            if recorded is None:
                return await self.live.run(turn, emit)
            for item in replayed(recorded, turn.client_id):
                await self._send_to(turn, item)
        except StoreFailed:
            await self._send_to(turn, _fault(turn.client_id, "not_recorded", NOT_RECORDED))

    async def _send_to(self, turn: Turn, item: dict[str, Any]) -> None:
        """Sends to the client of `turn`, or stops the turn when there is none any more."""
        try:
            await self.send(item)
        except Exception as error:  # each kind of socket has its own
            log.info("turn %s lost its client (%s)", turn.id, type(error).__name__)
            turn.stop()

    async def _error(self, client_id: str | None, code: str, detail: str) -> None:
        await self.send(_fault(client_id, code, detail))


async def server_sent(turn: Turn, live: LiveTurns) -> AsyncIterator[str]:
    """The frames of a turn as server-sent events. A client that goes stops the turn."""
    try:
        async with aclosing(live.events(turn)) as events:
            async for event in events:
                yield _sent(frame(event, turn.client_id))
    except StoreFailed:
        yield _sent(_fault(turn.client_id, "not_recorded", NOT_RECORDED))


def _sent(item: dict[str, Any]) -> str:
    return f"event: {item['type']}\ndata: {json.dumps(item, ensure_ascii=False)}\n\n"


def replayed(recorded: dict[str, Any], client_id: str) -> Iterator[dict[str, Any]]:
    """The frames of a recorded answer, for a client that sent its message again after a lost connection."""
    if recorded["disposition"]:
        yield {"type": "disposition", "id": client_id, "level": recorded["disposition"], "reasons": recorded["reasons"]}
    for item in recorded["sentences"] if recorded["kind"] != "question" else ():
        yield {"type": "sentence", "id": client_id, **item}
    if recorded["question"]:
        yield {"type": "question", "id": client_id, **recorded["question"]}
    rest = {key: value for key, value in recorded.items() if key not in ("sentences", "reasons")}
    yield {"type": "done", "id": client_id, **rest}


def _fault(client_id: str | None, code: str, detail: str) -> dict[str, Any]:
    return {"type": "error", "id": client_id, "code": code, "detail": detail}


def _frame_id(text: str | bytes) -> str | None:
    try:
        found = json.loads(text).get("id")
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, str) and len(found) <= 64 else None


def _why(error: Exception) -> str:
    """What is wrong with a frame, naming fields and never repeating what was typed."""
    if isinstance(error, ValidationError):
        found = [
            f"{'.'.join(str(part) for part in e['loc']) or 'frame'}: {e['msg']}" for e in error.errors(include_input=False)[:5]
        ]
        return "; ".join(found)
    return "the frame is not JSON: send one JSON object a frame"
