"""OpenAI's chat completions over the same turn: what comes in, what goes out. Knows nothing of HTTP.

System messages are read by nobody: what the server may say is decided in `assistant.turn`, not by who asks.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from assistant.chat import NOT_RECORDED
from assistant.live import LiveTurns
from assistant.recall import language, numbered, recall
from assistant.turn import Deps
from assistant.types import Asked, Done, Role, SentenceShown, StoreFailed, Turn, TurnEvent
from assistant.wire import TEXT, Country, recorded, sentence
from retrieval.types import Locale

log = logging.getLogger(__name__)
MODEL = "virtual-doctor"
READING_S = 10.0
# Parameters that would change what comes back: the values that are harmless, and the remedy. Any other parameter is ignored.
REFUSED: dict[str, tuple[Sequence[Any], str]] = {
    "n": ((1,), "there is one answer to a question: leave it out or send 1"),
    "tools": (([],), "this server calls no tools: leave it out"),
    "functions": (([],), "this server calls no functions: leave it out"),
    "response_format": (({"type": "text"},), "answers are text: leave it out; `metadata` holds them as data"),
    "modalities": ((["text"],), 'answers are text: leave it out or send ["text"]'),
    "audio": ((), "answers are text: leave it out"),
    "logprobs": ((False,), "sentences are checked whole and have no token probabilities: leave it out"),
}


class Part(BaseModel):
    type: Literal["text"]
    text: str


def _text(content: Any) -> Any:
    """A message's text: as it stands, its text parts joined, or nothing for a message without content."""
    if not isinstance(content, list):
        return "" if content is None else content
    if not all(isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str) for part in content):
        raise ValueError("only text is read: send parts of type `text` and leave images, sound and files out")
    return "\n".join(part["text"] for part in content)


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_text, json_schema_input_type=str | list[Part] | None)] = ""


class Wanted(BaseModel):
    """What this server reads of a request's `metadata`; other keys are the client's own."""

    locale: Locale | None = Field(None, description="the language of the last question when left out")
    role: Role = "patient"
    country: Country | None = None


class CompletionBody(BaseModel):
    model: str = Field(MODEL, description="there is one model; every name gets it")
    messages: list[ChatMessage] = Field(min_length=1, description="the last user message is the question")
    stream: bool | None = False
    metadata: Wanted | None = None
    n: Any = None
    tools: Any = None
    functions: Any = None
    response_format: Any = None
    modalities: Any = None
    audio: Any = None
    logprobs: Any = None

    @field_validator(*REFUSED)
    @classmethod
    def _harmless(cls, value: Any, info: ValidationInfo) -> Any:
        harmless, remedy = REFUSED[str(info.field_name)]
        if value is not None and value not in harmless:
            raise ValueError(remedy)
        return value

    @field_validator("messages")
    @classmethod
    def _asks(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        asked = [message.content for message in messages if message.role == "user"]
        if not asked or not asked[-1].strip():
            raise ValueError("there is no question: send a last `user` message with text")
        if len(asked[-1]) > TEXT:
            raise ValueError(f"the question is too long: send at most {TEXT} characters in the last `user` message")
        return messages


def error(
    message: str, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """An error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def models(created: int) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": created, "owned_by": "virtual-doctor"}]}


async def begin(body: CompletionBody, deps: Deps, country: str | None) -> Turn:
    """A turn about the last user message, in a session of its own, with the earlier messages as history. Raises StoreFailed."""
    last = max(number for number, message in enumerate(body.messages) if message.role == "user")
    wanted, text = body.metadata or Wanted(), body.messages[last].content.strip()
    turn = Turn("", f"openai-{uuid4().hex}", text, wanted.locale or language(text), wanted.role)
    turn.country = wanted.country or country
    before = [(message.role, message.content) for message in body.messages[:last] if message.role in ("user", "assistant")]
    try:
        async with asyncio.timeout(READING_S):
            await recall(turn, before, deps, keep_locale=wanted.locale is not None)
    except Exception as fault:  # an emergency must not wait for what came before it: the question then stands alone
        log.error("the conversation before turn %s was not read: %s", turn.id, type(fault).__name__)
    turn.session_id, history = await deps.store.open_session(locale=turn.locale, role=turn.role), turn.history
    await deps.store.start_turn(turn)
    turn.history = history
    return turn


def said(event: TurnEvent, turn: Turn) -> str:
    """What an event adds to the text of the answer: paragraphs, the last of them the disclaimer."""
    match event:
        case SentenceShown(shown):
            first = turn.shown[0] if turn.shown else turn.answer.shown[0] if turn.answer else None
            cited = "".join(f" [{label}]" for label in sentence(shown)["citations"])
            return f"{_urgent(turn) if shown is first else ''}{shown.sentence.text}{cited}\n\n"
        case Asked(_, text, choices):
            return f"{_urgent(turn)}{text}\n\n{numbered(choices)}\n\n"
        case Done():
            body = recorded(turn)
            return "\n\n".join(filter(None, [_sources(body["sources"]), *body["notices"], body["disclaimer"]]))
    return ""


def _urgent(turn: Turn) -> str:
    """Why help is needed today. An emergency's reasons stand in its card."""
    return "".join(f"{reason.text}\n\n" for reason in turn.reasons) if turn.disposition == "urgent" else ""


def _sources(sources: Sequence[dict[str, Any]]) -> str:
    years = [f" ({s['year']})" if s["year"] else "" for s in sources]
    lines = (
        f"- [{s['label']}] {s['publisher']}: {s['title']}{year} {s['url'] or ''}".rstrip()
        for s, year in zip(sources, years, strict=True)
    )
    return "\n".join(lines)


async def whole(turn: Turn, live: LiveTurns) -> dict[str, Any]:
    """The answer as one completion. Raises StoreFailed."""
    async with aclosing(live.events(turn)) as events:
        text = "".join([said(event, turn) async for event in events])
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {**_head(turn), "object": "chat.completion", "choices": [choice], "metadata": _metadata(turn)}


async def stream(turn: Turn, live: LiveTurns) -> AsyncIterator[str]:
    """The answer as server-sent chunks, a sentence each. A client that goes stops the turn."""
    yield _chunk(turn, {"role": "assistant", "content": ""})
    try:
        async with aclosing(live.events(turn)) as events:
            async for event in events:
                if text := said(event, turn):
                    yield _chunk(turn, {"content": text})
        yield _chunk(turn, {}, "stop", metadata=_metadata(turn))
    except StoreFailed:
        yield _event(error(NOT_RECORDED, "server_error", code="not_recorded"))
    yield "data: [DONE]\n\n"


def _metadata(turn: Turn) -> dict[str, Any]:
    return {"session": turn.session_id, **recorded(turn)}


def _chunk(turn: Turn, delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _event({**_head(turn), "object": "chat.completion.chunk", "choices": [choice], **more})


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _head(turn: Turn) -> dict[str, Any]:
    return {"id": f"chatcmpl-{turn.id}", "created": int(turn.started_at.timestamp()), "model": MODEL}
