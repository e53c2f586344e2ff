"""The triage interview: from what a message already says to the next question, and to a level with its reasons.

Reading (`safety.findings`) and rules (`knowledge/interview.yaml`) are apart. Nothing here calls a model. In doubt it
escalates: what decides and stays unknown lifts the level, it never lowers it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from retrieval.types import LOCALES, Locale
from safety.findings import FINDINGS_PATH, Findings, Reader
from safety.interview_rules import LEVELS, Complaint, Line, Question, Term, Test, TriageRule, load_complaints
from safety.policy_files import mapping, read_yaml
from safety.red_flags import age_bands
from safety.rules import texts_of
from safety.types import Disposition, PatientContext, Reason

INTERVIEW_PATH = Path(__file__).parent.parent / "knowledge" / "interview.yaml"
MOST = 5  # questions of one interview
NONE, UNSURE = "none", "unsure"  # the two replies that every question has
_NOTHING_KNOWN = PatientContext()


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


@dataclass(frozen=True, slots=True)
class Assessment:
    """Where the interview stands. `level` is None where the message tells no complaint that the file knows."""

    level: Disposition | None
    reasons: tuple[Reason, ...] = ()
    complaint: Complaint | None = None
    questions: tuple[Question, ...] = ()  # still open and able to raise the level, most decisive first
    come_back: tuple[str, ...] = ()


class Interview:
    """The complaints, loaded once; safe for concurrent turns."""

    def __init__(
        self, reader: Reader, complaints: Sequence[Complaint], acts: Mapping[Disposition, Mapping[Locale, str]]
    ) -> None:
        self.reader, self.complaints, self.acts = reader, tuple(complaints), acts
        self._questions = {question.id: question for complaint in complaints for question in complaint.questions}

    @classmethod
    def load(cls, path: Path = INTERVIEW_PATH, findings: Path = FINDINGS_PATH) -> "Interview":
        """Reads and validates the interview and the findings. Raises PolicyError naming file and line."""
        data = read_yaml(path)
        reader = Reader.load(findings, mapping(data, "concepts", str(path)), str(path))
        levels = mapping(data, "levels", str(path))
        acts = {level: texts_of(levels.get(level), f"level {level!r}", str(path)) for level in LEVELS}
        return cls(reader, load_complaints(data, reader.lexicon, str(path)), acts)

    def question(self, question_id: str) -> Question | None:
        """The question that has this id."""
        return self._questions.get(question_id)

    def act(self, level: Disposition, locale: Locale) -> str:
        """What to do at a level, and within what time."""
        return self.acts[level][locale]

    def assess(
        self,
        text: str,
        *,
        locale: Locale,
        patient: PatientContext = _NOTHING_KNOWN,
        replies: Sequence[tuple[str, str]] = (),
    ) -> Assessment:
        """The level of a message, with the replies to the questions asked so far as (question id, what was replied).

        A reply is a choice's value, several with commas, "none", "unsure", or free words, which are read like a message.
        """
        facts = self._facts(text, patient)
        for question_id, reply in replies:
            if question := self.question(question_id):
                facts = self._told(facts, question, reply, patient)
        complaints = [complaint for complaint in self.complaints if _is_told(complaint, facts)]
        if not complaints:
            return Assessment(None)
        levels = {complaint.id: _level(complaint, facts) for complaint in complaints}
        complaints.sort(key=lambda complaint: -LEVELS.index(levels[complaint.id]))  # stable: the file's order within a level
        first, level = complaints[0], levels[complaints[0].id]
        questions = _open(complaints, facts, level) if len(replies) < MOST else ()
        return Assessment(
            level,
            _reasons(complaints, facts, level, locale),
            first,
            questions,
            tuple(line[locale] for line in first.come_back),
        )

    def _facts(self, text: str, patient: PatientContext) -> Facts:
        findings = self.reader.read(text, patient)
        measures, words = _measures(findings)
        present = {name for name in findings.active if name != "pregnant"}
        present |= {"pregnant"} if findings.pregnant else set()
        present |= {patient.sex} if patient.sex else set()
        words |= {name: finding.words for name, finding in findings.active.items()}
        denied = {item.concept for item in findings.items if item.negated} - present
        return Facts(frozenset(present), frozenset(denied), measures, tuple(age_bands(findings, patient)), words)

    def _told(self, facts: Facts, question: Question, reply: str, patient: PatientContext) -> Facts:
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
            return _joined(facts, self._facts(reply, patient), question)
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


_YES = frozenset({"yes", "y", "yeah", "yep", "yes i do", "是", "是的", "有", "有的", "对", "嗯"})
_NO = frozenset({"no", "n", "nope", "none", "no none", "none of these", "none of them", "neither", "nothing", "没有", "无", "不", "不是", "都没有", "没", "否"})  # fmt: skip
_MAYBE = frozenset({"not sure", "unsure", "dont know", "i dont know", "don't know", "i don't know", "maybe", "不知道", "不确定", "不清楚", "说不准", "也许"})  # fmt: skip


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


def _is_told(complaint: Complaint, facts: Facts) -> bool:
    if not any(facts.satisfied(line) for line in complaint.says) or facts.present & set(complaint.unless):
        return False
    for who in complaint.who:
        if who == "pregnant" and who not in facts.present:
            return False
        other = {"female": "male", "male": "female"}.get(who)
        if other and other in facts.present and who not in facts.present:
            return False
    low, high = complaint.ages
    bands = facts.bands or ((18.0, 60.0),)  # an age that nobody says is a grown-up's
    return any(low <= band[0] and band[1] <= high for band in bands) or any(low <= band[0] < high for band in bands)


def _fired(complaint: Complaint, facts: Facts) -> list[tuple[TriageRule, tuple[Term, ...]]]:
    fired = []
    for rule in complaint.rules:
        if facts.present & set(rule.unless):
            continue
        used = next((used for line in rule.when if (used := facts.satisfied(line)) is not None), None)
        if used is not None:
            fired.append((rule, used))
    return fired


def _rank(level: Disposition) -> int:
    return LEVELS.index(level)


def _level(complaint: Complaint, facts: Facts) -> Disposition:
    level = max((rule.level for rule, _ in _fired(complaint, facts)), key=_rank, default=complaint.otherwise)
    level = max(level, complaint.otherwise, key=_rank)
    for question in complaint.questions:
        if question.id in facts.unsure:
            level = max(level, _doubt(_possible(complaint, question, facts)), key=_rank)
    if level == "self_care" and not (facts.denied or set(facts.measures) & {"duration", "severity"} or facts.answered):
        return "routine"  # too little is said to reassure
    return level


def _doubt(possible: Disposition) -> Disposition:
    """The level of an open question: one step below what it might have shown, and never home care."""
    return LEVELS[max(1, _rank(possible) - 1)]


def _possible(complaint: Complaint, question: Question, facts: Facts) -> Disposition:
    """The most serious level that an answer to the question can give."""
    found = [_rank(complaint.otherwise)]
    for choice in question.choices:
        more = replace(
            facts,
            present=facts.present | ({choice.concept} - {""}),
            measures={**facts.measures, **dict([choice.measure] if choice.measure else [])},
        )
        found += [_rank(rule.level) for rule, _ in _fired(complaint, more)]
    return LEVELS[max(found)]


def _open(complaints: Iterable[Complaint], facts: Facts, level: Disposition) -> tuple[Question, ...]:
    """Questions that are not settled and whose answer may raise the level, most decisive first."""
    found: list[tuple[int, Question]] = []
    for complaint in complaints:
        for question in complaint.questions:
            if not _settled(question, facts):
                possible = _rank(_possible(complaint, question, facts))
                if possible > _rank(level):
                    found.append((possible, question))
    found.sort(key=lambda pair: -pair[0])
    asked: dict[frozenset[str], Question] = {}
    for _, question in found:  # two complaints may ask the same thing
        asked.setdefault(frozenset((*question.concepts, *question.measures)), question)
    return tuple(asked.values())


def _settled(question: Question, facts: Facts) -> bool:
    if question.id in facts.answered or facts.present & set(question.concepts):
        return True
    if question.measures:
        return all(m in facts.measures or (m == "age" and facts.bands) for m in question.measures)
    return set(question.concepts) <= facts.denied


def _reasons(complaints: Sequence[Complaint], facts: Facts, level: Disposition, locale: Locale) -> tuple[Reason, ...]:
    reasons = [
        Reason(rule.id, rule.reason[locale], _words(used, facts), rule.source)
        for complaint in complaints
        for rule, used in _fired(complaint, facts)
        if rule.level == level
    ]
    first = complaints[0]
    said = _words(tuple(term for line in first.says for term in facts.satisfied(line) or ()), facts)
    return tuple(reasons[:3]) or (Reason(first.id, first.why[locale], said, first.source),)


def _words(used: Iterable[Term], facts: Facts) -> tuple[str, ...]:
    names = (term if isinstance(term, str) else term.measure for term in used)
    return tuple(dict.fromkeys(word for name in names if (word := facts.words.get(name, ""))))


def texts(complaints: Iterable[Complaint]) -> Iterable[str]:
    """Every text of the interview that may be shown, for the tests that read them all."""
    for complaint in complaints:
        for locale in LOCALES:
            yield from (complaint.label[locale], complaint.why[locale], *(line[locale] for line in complaint.come_back))
            yield from (rule.reason[locale] for rule in complaint.rules)
            for question in complaint.questions:
                yield from (question.text[locale], *(choice.label[locale] for choice in question.choices))
