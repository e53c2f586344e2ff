"""How urgent a message is: the red flags first, then the interview. The same answer for the API, the command line and the figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from retrieval.types import Locale
from safety.interview import Assessment
from safety.interview_rules import LEVELS, Question
from safety.types import Disposition, PatientContext, RailVerdict, Reason

_NOTHING_KNOWN = PatientContext()


@dataclass(frozen=True, slots=True)
class Triaged:
    """`level` is None where the message tells of nothing that is known. `category` is "crisis" for a crisis."""

    level: Disposition | None
    reasons: tuple[Reason, ...]
    category: str = ""
    card: str = ""  # one sentence a line
    act: str = ""
    questions: tuple[Question, ...] = ()
    come_back: tuple[str, ...] = ()


class Flags(Protocol):
    """What triage asks of `safety.red_flags.RedFlags`."""

    def check(self, text: str, *, locale: Locale, patient: PatientContext = ..., country: str | None = None) -> RailVerdict: ...

    def card(self, reasons: Sequence[Reason], locale: Locale, country: str | None) -> str: ...


class Asks(Protocol):
    """What triage asks of `safety.interview.Interview`."""

    def assess(
        self, text: str, *, locale: Locale, patient: PatientContext = ..., replies: Sequence[tuple[str, str]] = ()
    ) -> Assessment: ...

    def act(self, level: Disposition, locale: Locale) -> str: ...


def triage(
    flags: Flags,
    interview: Asks,
    text: str,
    *,
    locale: Locale,
    patient: PatientContext = _NOTHING_KNOWN,
    country: str | None = None,
    replies: Sequence[tuple[str, str]] = (),
) -> Triaged:
    """The level of any text; replies as in `Interview.assess`."""
    verdict = flags.check(text, locale=locale, patient=patient, country=country)
    if verdict.stops:
        return Triaged("emergency", verdict.reasons, verdict.category, verdict.reply)
    found = interview.assess(text, locale=locale, patient=patient, replies=replies)
    level, reasons = graver(verdict, found)
    if level is None:
        return Triaged(None, ())
    card = flags.card(reasons, locale, country) if level == "emergency" else ""
    questions = () if level == "emergency" else found.questions
    return Triaged(level, reasons, level, card, interview.act(level, locale), questions, found.come_back)


def graver(flags: RailVerdict, found: Assessment) -> tuple[Disposition | None, tuple[Reason, ...]]:
    """The level and its reasons: the interview's, unless the red flags found an urgent matter and the interview less."""
    if flags.reasons and (found.level is None or LEVELS.index(found.level) < LEVELS.index("urgent")):
        return "urgent", flags.reasons
    return found.level, found.reasons
