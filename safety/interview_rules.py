"""Loads and validates the triage interview (`knowledge/interview.yaml`). No message is read here."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from retrieval.types import LOCALES, Locale, Source
from safety.lexicon import Lexicon
from safety.policy_files import Located, at, mapping, strings
from safety.rules import source_of, texts_of
from safety.types import Disposition, PolicyError
from safety.vitals import VitalName

LEVELS: tuple[Disposition, ...] = ("self_care", "routine", "urgent", "emergency")  # least serious first
MEASURES = (*get_args(VitalName), "age", "duration", "severity")
_TEST = re.compile(r"(\w+) ?(<=|>=|<|>|=) ?(\d+(?:\.\d+)?) ?(min|h|d|w|mo|y)?")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq,
}  # fmt: skip
_MINUTES = {"min": 1, "h": 60, "d": 1_440, "w": 10_080, "mo": 43_200, "y": 525_600}
_YEARS = {"d": 1 / 365, "w": 1 / 52, "mo": 1 / 12, "y": 1.0}


@dataclass(frozen=True, slots=True)
class Test:
    """A measure against a limit: `age` in years, `duration` in minutes, `severity` 0..10, vital signs as in `safety.vitals`."""

    measure: str
    compare: str
    limit: float

    def holds(self, value: float) -> bool:
        return _COMPARE[self.compare](value, self.limit)


Term = str | Test  # a concept's name, or a test of a measure
Line = tuple[tuple[Term, ...], ...]  # all of these; each is satisfied by any one of its terms


@dataclass(frozen=True, slots=True)
class TriageRule:
    """When any of the lines holds, the complaint is at least of this level."""

    id: str
    level: Disposition
    when: tuple[Line, ...]
    unless: tuple[str, ...]
    reason: Mapping[Locale, str]
    source: Source

    def terms(self) -> Iterable[Term]:
        return (term for line in self.when for options in line for term in options)


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be tapped. It stands for a concept that is then present, or for the value of a measure."""

    value: str
    label: Mapping[Locale, str]
    concept: str = ""
    measure: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the interview; "none of these" and "not sure" are offered with every one that asks for concepts."""

    id: str
    text: Mapping[Locale, str]
    choices: tuple[Choice, ...]

    @property
    def concepts(self) -> tuple[str, ...]:
        return tuple(choice.concept for choice in self.choices if choice.concept)

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(choice.measure[0] for choice in self.choices if choice.measure))


@dataclass(frozen=True, slots=True)
class Complaint:
    """One chief complaint with what decides how urgent it is. `ages` are years, from and to."""

    id: str
    label: Mapping[Locale, str]
    says: tuple[Line, ...]
    unless: tuple[str, ...]
    ages: tuple[float, float]
    who: frozenset[str]  # "pregnant", "female", "male": all must hold
    otherwise: Disposition
    why: Mapping[Locale, str]  # the reason for `otherwise`
    rules: tuple[TriageRule, ...]
    questions: tuple[Question, ...]
    come_back: tuple[Mapping[Locale, str], ...]
    source: Source
    topic: str
    line: int


@dataclass(frozen=True, slots=True)
class Level:
    """What to do at a level, and what is said where the whole message, not one rule, gives it."""

    act: Mapping[Locale, str]
    reads_like: Mapping[Locale, str]
    source: Source


def load_levels(data: Located, where: str) -> dict[Disposition, Level]:
    """The `levels` of a parsed file. Raises PolicyError naming file and line."""
    specs, sources = mapping(data, "levels", where), mapping(data, "sources", where)
    found: dict[Disposition, Level] = {}
    for name in LEVELS:
        spec = mapping(specs, name, where)
        if spec.get("source") not in sources:
            raise PolicyError(f"{where}:{at(spec)}: level {name!r}: source {spec.get('source')!r} is not defined; add it")
        texts = [texts_of(spec.get(key), f"level {name!r}: {key}", where) for key in ("act", "reads_like")]
        found[name] = Level(texts[0], texts[1], source_of(spec["source"], sources[spec["source"]], where))
    return found


def load_complaints(data: Located, lexicon: Lexicon, where: str) -> tuple[Complaint, ...]:
    """All complaints of a parsed file, in its order. Raises PolicyError naming file and line."""
    specs = data.get("complaints")
    if not isinstance(specs, list) or not specs:
        raise PolicyError(f"{where}:{at(data)}: 'complaints' must be a list, got {specs!r}")
    loader = _Loader(where, data, lexicon)
    complaints = tuple(loader.complaint(spec) for spec in specs)
    names = [complaint.id for complaint in complaints]
    for complaint in complaints:
        if names.count(complaint.id) > 1:
            raise PolicyError(f"{where}:{complaint.line}: complaint {complaint.id!r} is given twice; rename or remove one")
    return complaints


_KEYS = {
    "id", "label", "says", "unless", "age_years", "who", "otherwise", "why", "rules", "questions", "come_back", "source", "topic", "examples",
}  # fmt: skip


class _Loader:
    def __init__(self, where: str, data: Located, lexicon: Lexicon) -> None:
        self.where = where
        self.lexicon = lexicon
        self.sources = {key: source_of(key, spec, where) for key, spec in mapping(data, "sources", where).items()}

    def complaint(self, spec: Any) -> Complaint:
        name = self._id(spec, "a complaint", _KEYS)
        ages = spec.get("age_years", [0, 150])
        if not (isinstance(ages, list) and len(ages) == 2 and all(isinstance(v, (int, float)) for v in ages)):
            raise self.fail(spec, f"complaint {name!r}: age_years must be [from, to] in years, got {ages!r}")
        who = frozenset(strings(spec, "who", self.where))
        if not who <= {"pregnant", "female", "male"}:
            raise self.fail(spec, f"complaint {name!r}: who {sorted(who)!r} may hold pregnant, female and male only")
        rules = tuple(self._rule(rule, name) for rule in self._list(spec, "rules"))
        questions = tuple(self._question(question, name) for question in self._list(spec, "questions"))
        complaint = Complaint(
            name,
            texts_of(spec.get("label"), f"complaint {name!r}: label", self.where),
            self._lines(spec, "says"),
            self._concepts(spec, "unless"),
            (float(ages[0]), float(ages[1])),
            who,
            self._level(spec, "otherwise"),
            texts_of(spec.get("why"), f"complaint {name!r}: why", self.where),
            rules,
            questions,
            tuple(texts_of(text, f"complaint {name!r}: come_back", self.where) for text in self._list(spec, "come_back")),
            self._source(spec),
            str(spec.get("topic", "")),
            spec.line,
        )
        self._useful(spec, complaint)
        return complaint

    def fail(self, spec: Any, text: str) -> PolicyError:
        return PolicyError(f"{self.where}:{at(spec)}: {text}")

    def _id(self, spec: Any, what: str, keys: set[str]) -> str:
        if not isinstance(spec, Located) or not isinstance(spec.get("id"), str):
            raise self.fail(spec, f"{what} must be a mapping with an id, got {spec!r}")
        if unknown := set(spec) - keys:
            raise self.fail(spec, f"{what} {spec['id']!r} has unknown keys {sorted(unknown)!r}; use {sorted(keys)!r}")
        return str(spec["id"])

    def _list(self, spec: Located, key: str) -> list[Any]:
        value = spec.get(key)
        if not isinstance(value, list) or not value:
            raise self.fail(spec, f"complaint {spec['id']!r}: {key!r} must be a list that is not empty, got {value!r}")
        return value

    def _rule(self, spec: Any, complaint: str) -> TriageRule:
        name = self._id(spec, f"complaint {complaint!r}: a rule", {"id", "level", "when", "unless", "reason", "source"})
        reason = texts_of(spec.get("reason"), f"rule {name!r}: reason", self.where)
        lines, unless = self._lines(spec, "when"), self._concepts(spec, "unless")
        return TriageRule(f"{complaint}/{name}", self._level(spec, "level"), lines, unless, reason, self._source(spec))

    def _question(self, spec: Any, complaint: str) -> Question:
        name = self._id(spec, f"complaint {complaint!r}: a question", {"id", "text", "choices"})
        choices = spec.get("choices")
        if not isinstance(choices, list) or not 1 <= len(choices) <= 8:
            raise self.fail(spec, f"question {name!r} needs 1 to 8 choices, got {choices!r}")
        text = texts_of(spec.get("text"), f"question {name!r}: text", self.where)
        return Question(f"{complaint}/{name}", text, tuple(self._choice(choice, name) for choice in choices))

    def _choice(self, spec: Any, question: str) -> Choice:
        if not isinstance(spec, Located) or not {"en", "zh"} < set(spec) <= {"en", "zh", "concept", "set"}:
            raise self.fail(spec, f"question {question!r}: a choice needs en, zh and either concept or set, got {spec!r}")
        label = texts_of({locale: spec[locale] for locale in LOCALES}, f"question {question!r}: a choice", self.where)
        if "concept" in spec:
            self._known(spec, spec["concept"])
            return Choice(spec["concept"], label, concept=spec["concept"])
        test = self._test(spec, str(spec["set"]))
        if test is None or test.compare != "=":
            raise self.fail(
                spec, f"question {question!r}: set {spec['set']!r} must read like 'duration = 3 d' or 'severity = 8'"
            )
        return Choice(re.sub(r"\W+", "-", str(spec["set"])), label, measure=(test.measure, test.limit))

    def _level(self, spec: Located, key: str) -> Disposition:
        value = spec.get(key)
        if value not in LEVELS:
            raise self.fail(spec, f"{spec['id']!r}: {key} {value!r} is not one of {LEVELS!r}")
        return value  # type: ignore[no-any-return]

    def _lines(self, spec: Located, key: str) -> tuple[Line, ...]:
        texts = strings(spec, key, self.where)
        if not texts:
            raise self.fail(spec, f"{spec['id']!r}: {key!r} must be a list of lines such as 'fever + stiff_neck | age < 0.25'")
        return tuple(
            tuple(tuple(self._term(spec, term.strip()) for term in part.split("|")) for part in text.split("+"))
            for text in texts
        )

    def _term(self, spec: Located, text: str) -> Term:
        test = self._test(spec, text)
        if test is None:
            self._known(spec, text)
        return test or text

    def _test(self, spec: Located, text: str) -> Test | None:
        match = _TEST.fullmatch(text)
        if not match:
            return None
        measure, compare, number, unit = match.groups()
        if measure not in MEASURES:
            raise self.fail(spec, f"{text!r} tests {measure!r}, which is not one of {MEASURES!r}")
        scale = _YEARS if measure == "age" else _MINUTES if measure == "duration" else {}
        if ((measure == "duration") != (unit is not None) and measure != "age") or (unit and unit not in scale):
            raise self.fail(
                spec, f"{text!r}: a duration needs a unit ({', '.join(_MINUTES)}), an age may have one, the rest none"
            )
        return Test(measure, compare, float(number) * (scale[unit] if unit else 1.0))

    def _concepts(self, spec: Located, key: str) -> tuple[str, ...]:
        names = strings(spec, key, self.where)
        for name in names:
            self._known(spec, name)
        return tuple(names)

    def _known(self, spec: Any, name: str) -> None:
        if name not in self.lexicon.concepts:
            raise self.fail(spec, f"concept {name!r} is in neither the findings file nor this one; define it under concepts")

    def _source(self, spec: Located) -> Source:
        name = spec.get("source")
        if name not in self.sources:
            raise self.fail(spec, f"{spec['id']!r}: source {name!r} is not defined; add it under sources")
        return self.sources[name]

    def _useful(self, spec: Located, complaint: Complaint) -> None:
        """Every question must be able to change the level: one of its answers stands in a rule."""
        used = {term if isinstance(term, str) else term.measure for rule in complaint.rules for term in rule.terms()}
        for question in complaint.questions:
            for concept in question.concepts:
                if concept not in used:
                    raise self.fail(
                        spec, f"question {question.id!r}: no rule uses {concept!r}; write the rule or drop the choice"
                    )
            if not set(question.measures) <= used:
                raise self.fail(
                    spec, f"question {question.id!r}: no rule uses {question.measures!r}; write the rule or drop it"
                )
