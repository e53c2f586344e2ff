"""Reads a message into findings: what is said, where, about whom, and whether it is so now.

The concepts and cues are data (`knowledge/findings.yaml`). No rule is applied here: red flags and the interview both
start from what this module returns.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.types import LOCALES
from safety.context import Context, Experiencer, When
from safety.lexicon import Lexicon, Match, word_lists
from safety.normalise import normalise
from safety.policy_files import Located, at, mapping, read_yaml
from safety.times import Span, ages, durations, severities
from safety.types import PatientContext, PolicyError
from safety.vitals import Vital, VitalName, vital_test, vitals

FINDINGS_PATH = Path(__file__).parent.parent / "knowledge" / "findings.yaml"


_NOTHING_KNOWN = PatientContext()


@dataclass(frozen=True, slots=True)
class Finding:
    """A concept that the message mentions; `start` and `end` are offsets into the message as it was written."""

    concept: str
    words: str
    start: int
    end: int
    negated: bool = False
    experiencer: Experiencer = "self"
    when: When = "now"

    @property
    def active(self) -> bool:
        """Whether someone has it now, as far as the message says."""
        return not self.negated and self.when == "now" and self.experiencer != "family"


@dataclass(frozen=True, slots=True)
class Measure:
    """A vital sign (units: see `safety.vitals.Vital`), an age (years), a duration (minutes) or a severity (0..10)."""

    name: VitalName | str
    value: float
    words: str
    start: int
    end: int
    when: When = "now"


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was read from one message."""

    items: tuple[Finding, ...] = ()
    vitals: tuple[Measure, ...] = ()
    ages: tuple[Measure, ...] = ()
    durations: tuple[Measure, ...] = ()
    severities: tuple[Measure, ...] = ()
    pregnant: bool | None = None
    active: dict[str, Finding] = field(default_factory=dict)  # the first active finding of each concept

    @property
    def about_other(self) -> bool:
        """Whether the active findings are about somebody else than the one who writes."""
        return any(finding.experiencer == "other" for finding in self.active.values())


class Reader:
    """Reads messages with the concepts of a findings file."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._tests = [
            (concept.name, test)
            for concept in lexicon.concepts.values()
            for test in map(_vital_test_of(concept.line), concept.vitals)
        ]

    @classmethod
    def load(cls, path: Path = FINDINGS_PATH, more: Located | None = None, where: str = "") -> "Reader":
        """Reads and compiles a findings file, and `more` concepts from the file `where`. Raises PolicyError naming file and line."""
        data = read_yaml(path)
        if more is not None and (twice := sorted(set(mapping(data, "concepts", str(path))) & set(more))):
            raise PolicyError(f"{where}:{more.line}: concepts {twice!r} are in {path} already; use those")
        try:
            lexicon = Lexicon.build(data, str(path))
            lexicon.extend(more or {}, {locale: word_lists(data, locale, str(path)) for locale in LOCALES}, where)
            return cls(lexicon)
        except ValueError as error:
            raise PolicyError(f"{path}:{at(data)}: {error}; traditional and simplified must be equally long") from error

    def read(self, text: str, patient: PatientContext = _NOTHING_KNOWN) -> Findings:
        """Findings in any text, in English, Chinese or both. Never raises; time grows linearly up to 10,000 characters."""
        lexicon = self.lexicon
        plain = normalise(text, lexicon.known, lexicon.mend, lexicon.traditional)
        matches = lexicon.find(plain.text)
        context = Context(plain.text, matches)

        def quote(start: int, end: int) -> tuple[str, int, int]:
            begin, stop = plain.span(start, end)
            return text[begin:stop], begin, stop

        def measure(name: str, span: Span | Vital) -> Measure:
            match = Match(name, span.start, span.end)
            when = "hypothetical" if context.negated(match) else context.when(match)
            return Measure(name, span.value, *quote(span.start, span.end), when)

        items = [self._finding(match, context, quote) for match in matches if not match.concept.startswith("cue_")]
        measured = tuple(measure(vital.name, vital) for vital in vitals(plain.text))
        items += self._from_vitals(measured)
        items += self._from_patient(patient)
        active: dict[str, Finding] = {}
        for item in items:
            if item.active:
                active.setdefault(item.concept, item)
        return Findings(
            tuple(items),
            measured,
            tuple(measure("age", age) for age in ages(plain.text)),
            tuple(measure("duration", span) for span in durations(plain.text)),
            tuple(measure("severity", span) for span in severities(plain.text)),
            _pregnant(items, measured, patient),
            active,
        )

    def _finding(self, match: Match, context: Context, quote: Callable[[int, int], tuple[str, int, int]]) -> Finding:
        words, start, end = quote(match.start, match.end)
        if self.lexicon.concepts[match.concept].asserted:
            denied = context.ruled_out(match)
            return Finding(match.concept, words, start, end, denied, _not_family(context.experiencer(match)))
        return Finding(
            match.concept, words, start, end, context.negated(match), context.experiencer(match), context.when(match)
        )

    def _from_vitals(self, measured: Iterable[Measure]) -> list[Finding]:
        return [
            Finding(name, measure.words, measure.start, measure.end, when=measure.when)
            for measure in measured
            for name, test in self._tests
            if test(Vital(measure.name, measure.value, 0, 0))  # type: ignore[arg-type]
        ]

    def _from_patient(self, patient: PatientContext) -> list[Finding]:
        """What the record says of conditions and medicines counts as if it had been written, at no offset."""
        text = "; ".join((*patient.conditions, *patient.medications))
        if not text:
            return []
        plain = normalise(text, traditional=self.lexicon.traditional)
        matches = self.lexicon.find(plain.text)
        names = {match.concept for match in matches if self.lexicon.concepts[match.concept].asserted}
        return [Finding(name, "", 0, 0) for name in sorted(names) if not name.startswith("cue_")]


def _vital_test_of(line: int) -> Callable[[str], Callable[[Vital], bool]]:
    def read(text: str) -> Callable[[Vital], bool]:
        test = vital_test(text)
        if test is None:
            raise PolicyError(f"line {line}: {text!r} is not a test of a vital sign; write for example 'spo2 < 92'")
        return test

    return read


def _not_family(experiencer: Experiencer) -> Experiencer:
    return "other" if experiencer == "family" else experiencer


def _pregnant(items: Iterable[Finding], measured: Iterable[Measure], patient: PatientContext) -> bool | None:
    if any(item.concept == "pregnant" and item.active for item in items):
        return True
    if any(measure.name == "pregnancy_weeks" for measure in measured):
        return True
    if any(item.concept == "pregnant" and item.negated for item in items):
        return False
    return patient.pregnant
