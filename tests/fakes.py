"""One hand-written fake per port. Scripted, recording, and strict: an unscripted call fails the test."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.types import Message, Role, Shown, StoreFailed, Turn
from retrieval.types import Claim, Evidence, Locale, Passage, Source
from safety.interview import Assessment
from safety.interview_rules import Choice, Question
from safety.premises import Correction
from safety.replies import reply
from safety.types import Decision, Disposition, RailVerdict, Reason

NICE = Source("nice", "NICE", "Fever in under 5s: assessment and initial management (NG143)", 2019, None, "GB")


def claim(claim_id: str, en: str, zh: str) -> Claim:
    return Claim(claim_id, {"en": en, "zh": zh}, (NICE,))


def passage(passage_id: str, *claims: Claim, topic: str = "fever-in-children", section: str = "self_care") -> Passage:
    return Passage(passage_id, topic, {"en": "Fever in children", "zh": "儿童发热"}, section, claims)


DRINKS = claim(
    "fever-in-children/self_care#fluids",
    "Offer a child with fever small drinks often.",
    "让发热的孩子少量多次喝水。",
)
SPONGE = claim(
    "fever-in-children/self_care#sponging",
    "Do not sponge a child with fever with cold water.",
    "不要用冷水给发热的孩子擦身。",
)
RASH = claim(
    "fever-in-children/get_help.emergency#rash",
    "Call an ambulance if a child with fever has a rash that does not fade under a glass.",
    "发热的孩子出现玻璃杯压不褪色的皮疹时，请立即拨打急救电话。",
)
HOME = passage("fever-in-children/self_care#fluids", DRINKS, SPONGE)
URGENT = passage("fever-in-children/get_help.emergency#rash", RASH, section="get_help.emergency")
FEVER = Evidence("E1", HOME, 0.9, {DRINKS.id: 0.9, SPONGE.id: 0.8})


@dataclass
class FakeModel:
    """Each call takes one step of the script: a reply's pieces, or the error to raise."""

    script: list[list[str] | Exception] = field(default_factory=list)
    name: str = "fake"
    locales: tuple[Locale, ...] = ("en", "zh")
    seen: list[list[Message]] = field(default_factory=list)
    closed: int = 0

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str]:
        self.seen.append(list(messages))
        step = self.script.pop(0)
        try:
            if isinstance(step, Exception):
                raise step
            for piece in step:
                yield piece
        finally:
            self.closed += 1


@dataclass
class FakeRetriever:
    evidence: Sequence[Evidence] | Exception = (FEVER,)
    sections: dict[str, Sequence[Passage]] = field(default_factory=lambda: {"get_help.emergency": [URGENT]})
    likely: Sequence[str] = ()
    asked: list[str] = field(default_factory=list)

    async def search(self, question: str, *, locale: Locale, k: int, clinician: bool = False) -> Sequence[Evidence]:
        self.asked.append(question)
        if self.uncovered(question):
            return []
        if isinstance(self.evidence, Exception):
            raise self.evidence
        return self.evidence[:k]

    def passage(self, passage_id: str) -> Passage:
        return {p.id: p for p in (HOME, URGENT)}[passage_id]

    def __len__(self) -> int:
        return 2

    def section(self, topic: str, section: str) -> Sequence[Passage]:
        return self.sections.get(section, [])

    def named(self, text: str) -> frozenset[str]:
        return frozenset({"fever-in-children"} if "fever" in text else ())

    def uncovered(self, text: str) -> str:
        return "malaria" if "malaria" in text else ""

    def title(self, topic: str, locale: Locale) -> str:
        return HOME.title[locale]

    async def unsure(self, question: str, *, locale: Locale, k: int = 3) -> Sequence[str]:
        return self.likely


@dataclass
class FakeRedFlags:
    """Stops, or lets pass with reasons, as told."""

    category: str = ""
    reasons: tuple[Reason, ...] = ()
    error: Exception | None = None

    def check(self, text: str, *, locale: Locale, patient: Any = None, country: str | None = None) -> RailVerdict:
        if self.error:
            raise self.error
        decision = Decision.ESCALATE if self.category else Decision.ALLOW
        said = "Call an ambulance now.\nStay with the person." if self.category else ""
        return RailVerdict("red_flags", decision, self.category, reply=said, reasons=self.reasons)

    def card(self, reasons: Sequence[Reason], locale: Locale, country: str | None) -> str:
        return "\n".join(("Call an ambulance now.", *(reason.text for reason in reasons)))


@dataclass
class FakePremises:
    """Corrects every question with the same correction."""

    given: Correction = field(default_factory=Correction)

    async def correction(self, question: str, locale: Locale, evidence: Any, passage: Any) -> Correction:
        return self.given


@dataclass
class FakeInterview:
    """Gives the assessments of its script in turn, then no assessment; knows the questions in them."""

    script: list[Assessment] = field(default_factory=list)
    known: dict[str, Question] = field(default_factory=dict)
    heard: list[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=list)

    def assess(self, text: str, *, locale: Locale, patient: Any = None, replies: Sequence[tuple[str, str]] = ()) -> Assessment:
        self.heard.append((text, tuple(replies)))
        return self.script.pop(0) if self.script else Assessment(None)

    def question(self, question_id: str) -> Question | None:
        return self.known.get(question_id)

    def act(self, level: Disposition, locale: Locale) -> str:
        return f"Act: {level}."


@dataclass
class FakeRails:
    """Decides each direction as told; an exception is raised."""

    input: Decision | Exception = Decision.ALLOW
    output: Decision | Exception = Decision.ALLOW
    masked: str = ""
    read: list[tuple[str, str]] = field(default_factory=list)

    async def check(self, direction: str, text: str, locale: Locale) -> RailVerdict:
        self.read.append((direction, text))
        decision = self.input if direction == "input" else self.output
        if isinstance(decision, Exception):
            raise decision
        said = reply("scope", locale) if decision is Decision.STOP else ""
        return RailVerdict(f"rails.{direction}", decision, "scope" if said else "", reply=said, text=self.masked)


@dataclass
class FakeStore:
    """Keeps everything in lists; `broken` names the call that fails."""

    broken: str = ""
    history: tuple[Any, ...] = ()
    recorded: dict[str, Any] | None = None
    sentences: list[Shown] = field(default_factory=list)
    finished: list[tuple[Turn, dict[str, Any]]] = field(default_factory=list)
    feedback: list[tuple[str, str, str]] = field(default_factory=list)
    recorded_one: asyncio.Event = field(default_factory=asyncio.Event)

    async def open_session(self, *, locale: Locale, role: Role, session_id: str | None = None) -> str:
        self._break("open_session")
        return session_id or "s1"

    async def start_turn(self, turn: Turn) -> tuple[Turn, dict[str, Any] | None]:
        self._break("start_turn")
        turn.history = self.history
        return turn, self.recorded

    async def add_sentence(self, turn: Turn, shown: Shown) -> None:
        self._break("add_sentence")
        self.sentences.append(shown)

    async def finish(self, turn: Turn, answer: dict[str, Any]) -> None:
        self._break("finish")
        self.finished.append((turn, answer))
        self.recorded_one.set()

    async def add_feedback(self, turn_id: str, rating: str, comment: str) -> None:
        self.feedback.append((turn_id, rating, comment))

    async def audit_rows(self) -> list[dict[str, Any]]:
        return []

    async def ready(self) -> bool:
        return not self.broken

    def _break(self, call: str) -> None:
        if self.broken == call:
            raise StoreFailed(f"{call} failed")


UNSURE = "unsure"
SUDDEN = Question(
    "headache/onset",
    {"en": "Did it start suddenly?", "zh": "是突然开始的吗？"},
    (Choice("yes", {"en": "Yes, suddenly", "zh": "是，突然开始"}), Choice("no", {"en": "No, slowly", "zh": "不是"})),
)


class AskingOnce(FakeInterview):
    """Asks SUDDEN about a complaint that it has no reply to yet."""

    def __init__(self) -> None:
        super().__init__([], {SUDDEN.id: SUDDEN})

    def assess(self, text: str, *, locale: Locale, patient: Any = None, replies: Sequence[tuple[str, str]] = ()) -> Assessment:
        self.heard.append((text, tuple(replies)))
        return Assessment(None, questions=() if replies or "hurts" not in text else (SUDDEN,))
