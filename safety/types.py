"""What safety decides. Imports retrieval.types only."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from retrieval.types import Citation, Source

Disposition = Literal["emergency", "urgent", "routine", "self_care"]


class SafetyError(Exception):
    """Base of what safety raises; the text holds the value and the remedy."""


class PolicyError(SafetyError):
    """A policy or rule file is wrong; the text names file and line."""


class Decision(StrEnum):
    """What a rail decided. Only ALLOW and MASK let a turn go on."""

    ALLOW = "allow"
    MASK = "mask"  # go on with `RailVerdict.text` in the place of what was written
    STOP = "stop"
    ESCALATE = "escalate"  # emergency or crisis: show the card, call no model


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule fired, in the asker's language, with the words it rests on."""

    rule: str
    text: str
    words: tuple[str, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class RailVerdict:
    """One rail's decision, with enough in it to explain itself to the asker and in the audit log."""

    rail: str
    decision: Decision
    category: str = ""  # a closed set for each rail: "emergency", "crisis", "harmful", "injection", "scope", ...
    reason: str = ""  # for the audit log, never shown to a patient
    reply: str = ""  # what is said in the place of an answer; one sentence a line
    text: str = ""  # with MASK: the text to go on with
    reasons: tuple[Reason, ...] = ()
    took_ms: float = 0.0
    timings: tuple[tuple[str, float], ...] = ()  # of each rail that ran in this check, and of the trained heads: milliseconds

    @property
    def stops(self) -> bool:
        return self.decision in (Decision.STOP, Decision.ESCALATE)


@dataclass(frozen=True, slots=True)
class PatientContext:
    """What is known of the patient that changes which answer is safe."""

    age_years: float | None = None
    sex: Literal["female", "male"] | None = None
    pregnant: bool | None = None
    allergies: tuple[str, ...] = ()
    medications: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the claim gate does not let a sentence through."""

    kind: Literal["unsupported", "number", "unit", "drug", "negation", "population", "subject", "uncited", "certainty"]
    text: str


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence with the gate's decision. Only supported ones are shown."""

    text: str
    supported: bool
    citations: tuple[Citation, ...] = ()
    problems: tuple[Problem, ...] = ()
    score: float = 0.0
