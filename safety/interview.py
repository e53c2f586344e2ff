"""The triage interview: from what a message already says to the next question, and to a level with its reasons.

Reading (`safety.findings`) and rules (`knowledge/interview.yaml`) are apart. Nothing here calls a model. In doubt it
escalates: what decides and stays unknown lifts the level, it never lowers it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retrieval.types import LOCALES, Locale
from safety.acuity import Acuity
from safety.facts import Facts, read, told
from safety.findings import FINDINGS_PATH, Reader
from safety.interview_rules import (
    LEVELS,
    Complaint,
    Level,
    Question,
    Term,
    TriageRule,
    load_complaints,
    load_levels,
)  # fmt: skip
from safety.policy_files import mapping, read_yaml
from safety.red_flags import Judge
from safety.types import Disposition, PatientContext, Reason

INTERVIEW_PATH = Path(__file__).parent.parent / "knowledge" / "interview.yaml"
MOST = 5  # questions of one interview
ASKS = 0.6  # probability from which a message only asks for information
_NOTHING_KNOWN = PatientContext()


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
        self,
        reader: Reader,
        complaints: Sequence[Complaint],
        levels: Mapping[Disposition, Level],
        guard: Judge | None = None,
        acuity: Acuity | None = None,
    ) -> None:
        self.reader, self.complaints, self.levels = reader, tuple(complaints), levels
        self.guard, self.acuity = guard, acuity
        self._questions = {question.id: question for complaint in complaints for question in complaint.questions}

    @classmethod
    def load(cls, path: Path = INTERVIEW_PATH, findings: Path = FINDINGS_PATH, guard: Judge | None = None) -> "Interview":
        """Reads and validates the interview and the findings. Raises PolicyError naming file and line.

        With a guard its heads are weighed with the rules (`safety.acuity`); without one the rules decide alone.
        """
        data = read_yaml(path)
        reader = Reader.load(findings, mapping(data, "concepts", str(path)), str(path))
        complaints, levels = load_complaints(data, reader.lexicon, str(path)), load_levels(data, str(path))
        return cls(reader, complaints, levels, guard, Acuity.load() if guard else None)

    def question(self, question_id: str) -> Question | None:
        """The question that has this id."""
        return self._questions.get(question_id)

    def act(self, level: Disposition, locale: Locale) -> str:
        """What to do at a level, and within what time."""
        return self.levels[level].act[locale]

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
        ruled = self._ruled(text, locale, patient, replies)
        if self.guard is None or self.acuity is None:
            return ruled
        judged = self.guard.judge(text, locale)
        if judged.brief:
            return ruled
        by_rule = any("/" in reason.rule for reason in ruled.reasons)
        if not by_rule and not replies and ruled.level not in ("urgent", "emergency") and judged.acuity["question"] >= ASKS:
            return Assessment(None)
        level = self.acuity.level(judged, ruled.level, by_rule, bool(replies))
        if level == ruled.level:
            return ruled
        entry = self.levels[level]
        reason = Reason(f"reads-like-{level}", entry.reads_like[locale], (), entry.source)
        return replace(ruled, level=level, reasons=(reason,))

    def _ruled(self, text: str, locale: Locale, patient: PatientContext, replies: Sequence[tuple[str, str]]) -> Assessment:
        """What the rules say by themselves."""
        facts = read(self.reader, text, patient)
        for question_id, reply in replies:
            if question := self.question(question_id):
                facts = told(self.reader, facts, question, reply, patient)
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
