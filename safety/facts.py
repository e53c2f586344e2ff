"""What is known of a complaint: what the message says, and what the replies to the questions add."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from safety.findings import Findings, Reader
from safety.interview_rules import Line, Question, Term, Test
from safety.red_flags import age_bands
from safety.types import PatientContext

NONE, UNSURE = "none", "unsure"  # the two replies that every question has


_YES = frozenset({"yes", "y", "yeah", "yep", "yes i do", "是", "是的", "有", "有的", "对", "嗯"})
_NO = frozenset({"no", "n", "nope", "none", "no none", "none of these", "none of them", "neither", "nothing", "没有", "无", "不", "不是", "都没有", "没", "否"})  # fmt: skip
_MAYBE = frozenset({"not sure", "unsure", "dont know", "i dont know", "don't know", "i don't know", "maybe", "不知道", "不确定", "不清楚", "说不准", "也许"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known so far: concepts that are so, concepts that are denied, measured values, questions left open."""

    present: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    measures: Mapping[str, float] = field(default_factory=dict)  # units: see interview_rules.Test
    bands: tuple[tuple[float, float], ...] = ()  # ages in years, from and to
    words: Mapping[str, str] = field(default_factory=dict)  # of each concept or measure, as the message has it
    answered: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()

    def satisfied(self, line: Line) -> tuple[Term, ...] | None:
        """One term of each part of the line that holds, or None."""
        chosen = [next((term for term in options if self.holds(term)), None) for options in line]
        return tuple(term for term in chosen if term is not None) if None not in chosen else None

    def holds(self, term: Term) -> bool:
        if isinstance(term, str):
            return term in self.present
        if term.measure == "age":
            return any(_age_holds(term, band) for band in self.bands)
        return term.measure in self.measures and term.holds(self.measures[term.measure])


def read(reader: Reader, text: str, patient: PatientContext) -> Facts:
    """What a message says."""
    findings = reader.read(text, patient)
    measures, words = _measures(findings)
    present = {name for name in findings.active if name != "pregnant"}
    present |= {"pregnant"} if findings.pregnant else set()
    present |= {patient.sex} if patient.sex else set()
    words |= {name: finding.words for name, finding in findings.active.items()}
    bands = age_bands(findings, patient)
    denied = {item.concept for item in findings.items if item.negated} - present
    return Facts(frozenset(present), frozenset(denied), measures, tuple(bands), words)


def told(reader: Reader, facts: Facts, question: Question, reply: str, patient: PatientContext) -> Facts:
    """The facts with the reply to one question."""
    values = {value.strip() for value in reply.split(",")}
    chosen = [choice for choice in question.choices if values & {choice.value, *choice.label.values()}]
    answered = facts.answered | {question.id}
    if UNSURE in values or (not chosen and _is(reply, "unsure")):
        return replace(facts, answered=answered, unsure=facts.unsure | {question.id})
    if not chosen and (NONE in values or _is(reply, "no")):
        return replace(facts, answered=answered, denied=facts.denied | set(question.concepts))
    if not chosen and _is(reply, "yes"):
        chosen = list(question.choices[:1])  # the most serious one stands first
    if not chosen:
        return _joined(facts, read(reader, reply, patient), question)
    present = {choice.concept for choice in chosen if choice.concept}
    measures = dict(choice.measure for choice in chosen if choice.measure)
    return replace(
        facts,
        present=facts.present | present,
        denied=(facts.denied | set(question.concepts)) - present,
        measures={**facts.measures, **measures},
        words={**facts.words, **{choice.concept: "" for choice in chosen if choice.concept not in facts.words}},
        answered=answered,
    )


def _is(reply: str, what: str) -> bool:
    words = reply.lower().strip(" .!?。！？,，")
    return words in {"yes": _YES, "no": _NO, "unsure": _MAYBE}[what]


def _joined(facts: Facts, more: Facts, question: Question) -> Facts:
    """Facts with what a free reply adds. A reply that settles nothing of what was asked leaves the question open: unsure."""
    asked, measured = set(question.concepts), set(question.measures)
    settled = bool(more.present & asked or more.denied & asked or measured.intersection(more.measures))
    return Facts(
        facts.present | more.present,
        (facts.denied | more.denied) - more.present,
        {**facts.measures, **more.measures},
        facts.bands or more.bands,
        {**more.words, **facts.words},
        facts.answered | {question.id},
        facts.unsure if settled else facts.unsure | {question.id},
    )


def _measures(findings: Findings) -> tuple[dict[str, float], dict[str, str]]:
    """The value of each measure that a rule may test: the first one said of now."""
    values: dict[str, float] = {}
    words: dict[str, str] = {}
    for measure in (*findings.vitals, *findings.durations, *findings.severities):
        if measure.when in ("now", "past") and measure.name not in values:
            values[measure.name], words[measure.name] = measure.value, measure.words
    return values, words


def _age_holds(test: Test, band: tuple[float, float]) -> bool:
    """Whether every age of the band passes: an age that is only roughly known does not pass a test it may fail."""
    return test.holds(band[0]) and test.holds(band[1])
