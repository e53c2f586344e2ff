"""Every seam of the turn, on one page. `retrieval` has two more: VectorStore and Embedder."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Literal, Protocol

from assistant.types import Message, Role, Shown, Turn
from retrieval.types import Evidence, Locale, Passage
from safety.interview import Assessment
from safety.interview_rules import Question
from safety.premises import Correction
from safety.types import Disposition, PatientContext, RailVerdict, Reason


class ChatModel(Protocol):
    """assistant.models: LocalChat (in this process) | ServedChat (vLLM or another OpenAI-compatible server)."""

    name: str
    locales: tuple[Locale, ...]  # the languages it may be asked in

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str]:
        """The reply in pieces as they come. Raises ModelUnavailable. Closing the iterator stops the model."""
        ...


class Retriever(Protocol):
    """retrieval.retriever.GuidelineRetriever, over a VectorStore."""

    async def search(self, question: str, *, locale: Locale, k: int, clinician: bool = False) -> Sequence[Evidence]:
        """At most k passages about the question, best first, labelled E1, E2 …; none when nothing is above the floor."""
        ...

    def passage(self, passage_id: str) -> Passage:
        """The passage that has this id or holds this claim. Raises KeyError."""
        ...

    def __len__(self) -> int:
        """Passages in the index."""
        ...

    def section(self, topic: str, section: str) -> Sequence[Passage]:
        """All passages of one section of a topic, in reading order."""
        ...

    def named(self, text: str) -> frozenset[str]:
        """The topics that a text calls by name."""
        ...

    def uncovered(self, text: str) -> str:
        """What a text names that has no topic yet, unless it also names one that has, by words outside that name."""
        ...

    def title(self, topic: str, locale: Locale) -> str:
        """A topic's title."""
        ...

    async def unsure(self, question: str, *, locale: Locale, k: int = 3) -> Sequence[str]:
        """The topics that the question may be about when none is above the floor, likeliest first."""
        ...


class RedFlags(Protocol):
    """safety.red_flags.RedFlags: rules only, before anything else."""

    def check(self, text: str, *, locale: Locale, patient: PatientContext = ..., country: str | None = None) -> RailVerdict: ...

    def card(self, reasons: Sequence[Reason], locale: Locale, country: str | None) -> str:
        """The emergency card for reasons that were found later in the turn."""
        ...


class Interview(Protocol):
    """safety.interview.Interview: the questions that decide how urgent a complaint is, and the level."""

    def assess(
        self, text: str, *, locale: Locale, patient: PatientContext = ..., replies: Sequence[tuple[str, str]] = ()
    ) -> Assessment: ...

    def question(self, question_id: str) -> Question | None:
        """The question that has this id."""
        ...

    def act(self, level: Disposition, locale: Locale) -> str:
        """What to do at a level, and within what time."""
        ...


class Rails(Protocol):
    """safety.rails.NemoRails."""

    async def check(self, direction: Literal["input", "output"], text: str, locale: Locale) -> RailVerdict: ...


class Premises(Protocol):
    """safety.premises.Premises: common false beliefs and the claims that correct them."""

    async def correction(
        self, question: str, locale: Locale, evidence: Sequence[Evidence], passage: Callable[[str], Passage]
    ) -> Correction:
        """What to say first when the question takes something false as given; an empty one when it does not."""
        ...


class SessionStore(Protocol):
    """assistant.store.SqlStore over SQLite or PostgreSQL. Every method raises StoreFailed when it cannot write."""

    async def open_session(self, *, locale: Locale, role: Role, session_id: str | None = None) -> str:
        """A new session's id, or `session_id` again. Raises UnknownSession."""
        ...

    async def start_turn(self, turn: Turn) -> tuple[Turn, dict[str, Any] | None]:
        """Records the message and gives the turn its history. The second value is the recorded answer when the client
        sent this message before (a resend after a lost connection) and it was answered to the end."""
        ...

    async def add_sentence(self, turn: Turn, shown: Shown) -> None:
        """Records one sentence. Only then may it be shown."""
        ...

    async def finish(self, turn: Turn, answer: dict[str, Any]) -> None:
        """Records the answer as shown, the verdicts and the evidence, and links the audit row, in one transaction."""
        ...

    async def add_feedback(self, turn_id: str, rating: str, comment: str) -> None:
        """Raises UnknownSession when there is no such turn."""
        ...

    async def audit_rows(self) -> list[dict[str, Any]]:
        """The whole audit trail, oldest first."""
        ...

    async def ready(self) -> bool:
        """Whether it can be written to."""
        ...
