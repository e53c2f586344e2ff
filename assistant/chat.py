"""One chat connection: frames in, frames out. Knows nothing of HTTP; `assistant.app` lends it send and receive."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from assistant.turn import Deps, run_turn
from assistant.types import Role, StoreFailed, Turn, TurnEvent, UnknownSession
from assistant.wire import ClientFrame, FeedbackFrame, Hello, MessageFrame, ReplyFrame, StopFrame, frame
from retrieval.types import Locale
from safety.helplines import call_for
from safety.replies import reply

log = logging.getLogger(__name__)
SKIP = "skip"  # the reply of somebody whom none of the choices fits
MOST_INVALID = 10  # invalid frames after which the connection is closed
_frames: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)
Send = Callable[[dict[str, Any]], Awaitable[None]]
Close = Literal["policy", "gone"]


@dataclass
class Connection:
    """The state of one socket."""

    deps: Deps
    send: Send
    country: str | None = None
    session: str | None = None
    locale: Locale = "en"
    role: Role = "patient"
    invalid: int = 0
    last: Turn | None = None  # the turn before, whose question a reply may answer
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

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
        """Stops what still runs. The sentences shown are on record; the turn itself stays open, so a resent message is asked again."""
        for task in list(self.running.values()):
            task.cancel()
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
                if task := self.running.get(item.id):
                    task.cancel()
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
        """A choice among the topics offered asks the last question again, about that topic; other words are a message."""
        offered = {value for value, _ in self.last.choices} if self.last else set()
        if self.last and (item.value in offered or item.value == SKIP):
            await self._start(item.id, self.last.user_text, chosen="" if item.value == SKIP else item.value)
        else:
            await self._start(item.id, item.value)

    async def _start(self, client_id: str, text: str, chosen: str | None = None) -> None:
        if self.session is None:
            await self._error(client_id, "no_hello", "send a `hello` frame first")
        elif self.running:
            await self._error(
                client_id, "busy", "the last message is still being answered; wait for its `done` frame or send `stop`"
            )
        else:
            self.running[client_id] = asyncio.create_task(self._turn(client_id, text, chosen))
            self.running[client_id].add_done_callback(lambda _: self.running.pop(client_id, None))

    async def _turn(self, client_id: str, text: str, chosen: str | None) -> None:
        turn = Turn(str(self.session), client_id, text, self.locale, self.role, self.country, chosen)
        self.last = turn

        async def emit(event: TurnEvent) -> None:
            await self.send(frame(event, client_id))

        try:
            turn, recorded = await self.deps.store.start_turn(turn)
            if recorded is not None:
                await replay(recorded, client_id, self.send)
            else:
                await run_turn(turn, self.deps, emit)
        except StoreFailed:
            await self._error(client_id, "not_recorded", "the answer could not be recorded, so it is not shown; try again")
        except (ConnectionError, RuntimeError):  # the client has gone; the turn is on record
            log.info("turn %s lost its client", turn.id)

    async def _error(self, client_id: str | None, code: str, detail: str) -> None:
        await self.send({"type": "error", "id": client_id, "code": code, "detail": detail})


async def replay(recorded: dict[str, Any], client_id: str, send: Send) -> None:
    """Sends a recorded answer again, to a client that resent its message after a lost connection."""
    if recorded["disposition"]:
        await send({"type": "disposition", "id": client_id, "level": recorded["disposition"], "reasons": recorded["reasons"]})
    for item in recorded["sentences"] if recorded["kind"] != "question" else ():
        await send({"type": "sentence", "id": client_id, **item})
    if recorded["question"]:
        await send({"type": "question", "id": client_id, **recorded["question"]})
    rest = {key: value for key, value in recorded.items() if key not in ("sentences", "reasons")}
    await send({"type": "done", "id": client_id, **rest})


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
