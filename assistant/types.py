"""The nouns of a chat turn. Imports retrieval.types and safety.types; does no I/O."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from retrieval.types import Evidence, Ledger, Locale
from safety.types import CheckedSentence, Disposition, PatientContext, RailVerdict, Reason

Role = Literal["patient", "clinician", "trainee", "compliance"]
AnswerKind = Literal["answer", "question", "refusal", "emergency", "crisis", "unavailable"]
Stage = Literal["checking", "reading", "thinking", "verifying"]
AnswerPath = Literal["none", "model", "composed"]  # where an answer's prose came from


class AssistantError(Exception):
    """Base of what the assistant raises; the text holds the value and the remedy."""


class ModelUnavailable(AssistantError):
    """The chat model does not answer."""


class StoreFailed(AssistantError):
    """The session store cannot write: nothing may be shown."""


class UnknownSession(AssistantError):
    """There is no session under this id."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One earlier turn of the session."""

    question: str
    answer: str
    topic: str  # the topic its first passage came from, or ""
    asked: str = ""  # the id of the question that was asked back, or ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A sentence that passed the gate and the output rails, as it is recorded and shown."""

    sentence: CheckedSentence
    ledger: Ledger = "guideline"
    section: str = ""


def fixed(text: str) -> list[Shown]:
    """Our own fixed words, one sentence a line. They stand in reviewed files, so no passage has to support them."""
    return [Shown(CheckedSentence(line.strip(), True)) for line in text.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a turn came to."""

    kind: AnswerKind
    shown: tuple[Shown, ...]

    @classmethod
    def saying(cls, kind: AnswerKind, text: str) -> "Answer":
        """An answer in our own fixed words, one sentence a line: a card, a refusal, a question back."""
        return cls(kind, tuple(fixed(text)))

    @property
    def text(self) -> str:
        return " ".join(shown.sentence.text for shown in self.shown)


@dataclass(slots=True)
class Turn:
    """Everything one turn learned, in the order it learned it. This is the audit record."""

    session_id: str
    client_id: str  # the client's id of the message; one turn for each
    user_text: str
    locale: Locale = "en"
    role: Role = "patient"
    country: str | None = None
    chosen: str | None = None  # the topic that the asker chose; "" when none of those offered fits
    patient: PatientContext = field(default_factory=PatientContext)
    history: tuple[Exchange, ...] = ()
    question: str = ""  # user_text after the input rails: the only form that retrieval and the model see
    id: str = field(default_factory=lambda: uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    verdicts: list[RailVerdict] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    draft: str = ""
    dropped: list[CheckedSentence] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    path: AnswerPath = "none"
    asks: str = "topic"  # the id of the question asked back, when there are choices
    choices: tuple[tuple[str, str], ...] = ()  # (value, label) that the asker may choose among
    disposition: Disposition | None = None
    reasons: tuple[Reason, ...] = ()
    answer: Answer | None = None
    error: str = ""
    model: str = ""  # which model drafted
    took_ms: float = 0.0
    stopped: bool = False  # its client stopped it, or has gone, before its end
    limit: asyncio.Timeout | None = None  # of the turn while it runs

    @property
    def clinician(self) -> bool:
        return self.role == "clinician"

    def stop(self) -> None:
        """Ends the turn as if its time were up, unless it has its answer. What its red flags say is told all the same."""
        self.stopped = self.stopped or self.answer is None
        if self.answer is None and self.limit and not self.limit.expired():
            self.limit.reschedule(0)


@dataclass(frozen=True, slots=True)
class Status:
    stage: Stage


@dataclass(frozen=True, slots=True)
class SentenceShown:
    shown: Shown


@dataclass(frozen=True, slots=True)
class Disposed:
    level: Disposition
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question back, with choices as (value, label)."""

    question_id: str
    text: str
    choices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Done:
    turn: Turn


TurnEvent = Status | SentenceShown | Disposed | Asked | Done


def closing(turn: Turn, answer: Answer) -> Iterator[TurnEvent]:
    """What is told once a turn is on record: how urgent it is, what was not shown yet, a question back, the end."""
    if turn.disposition:
        yield Disposed(turn.disposition, turn.reasons)
    yield from (SentenceShown(shown) for shown in answer.shown[len(turn.shown) :] if answer.kind != "question")
    if turn.choices:
        yield Asked(turn.asks, answer.text, turn.choices)
    yield Done(turn)
