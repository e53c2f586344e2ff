"""Decides from the message alone, before any model runs, whether it is an emergency or a crisis.

The findings of `safety.findings` against the rules of `knowledge/red_flags.yaml`. Where no rule escalates, the trained heads
of `safety.guard` read the message once more: an alarm of theirs counts as a finding, and rules say what follows from it.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from retrieval.types import Locale
from safety.cards import CARDS_PATH, HELPLINES_PATH, Cards
from safety.context import Experiencer
from safety.findings import FINDINGS_PATH, Finding, Findings, Reader
from safety.guard import Judgement
from safety.rules import Rule, load_rules
from safety.types import Decision, PatientContext, RailVerdict, Reason

RULES_PATH = Path(__file__).parent.parent / "knowledge" / "red_flags.yaml"

_ME = re.compile(r"\b(?:me|I|i)\b|我(?![爸妈哥弟姐妹家])")
_NOTHING_KNOWN = PatientContext()
DOUBTFUL = 0.05  # score of the crisis head below which words of despair or threat are taken for a figure of speech
ADULT = 16.0  # years: from here on a rule for adults applies
_BANDS = (("newborn_word", 0.0, 0.08), ("baby_word", 0.0, 1.5), ("child_word", 0.0, 17.0))  # words that tell an age, in years


class Judge(Protocol):
    """What `safety.guard.Guard` does."""

    def judge(self, text: str, locale: Locale) -> Judgement: ...


class RedFlags:
    """The red flags, loaded once; `check` may be called from several threads."""

    def __init__(self, reader: Reader, rules: tuple[Rule, ...], cards: Cards, guard: Judge | None = None) -> None:
        self.reader = reader
        self.rules = rules
        self.cards = cards
        self.guard = guard
        self._place = {rule.id: index for index, rule in enumerate(rules)}

    @classmethod
    def load(
        cls,
        path: Path = RULES_PATH,
        *,
        guard: Judge | None = None,
        findings: Path = FINDINGS_PATH,
        helplines: Path = HELPLINES_PATH,
        cards: Path = CARDS_PATH,
    ) -> "RedFlags":
        """Reads and validates rules, findings, helplines and card texts. Raises PolicyError naming file and line.

        Without a guard only the rules speak.
        """
        reader = Reader.load(findings)
        return cls(reader, load_rules(path, reader.lexicon), Cards.load(cards, helplines), guard)

    def check(
        self,
        text: str,
        *,
        locale: Locale,
        patient: PatientContext = _NOTHING_KNOWN,
        country: str | None = None,
    ) -> RailVerdict:
        """ESCALATE with a card for an emergency or a crisis; ALLOW otherwise, with `reasons` filled for an urgent matter.

        Reads any text in English, Chinese or both, whatever the locale; of a long one the first 8,000 and the last 2,000
        characters. `country` is an ISO 3166-1 alpha-2 code that picks the numbers on the card. `took_ms` is in milliseconds.
        """
        started = time.perf_counter()
        findings = self.reader.read(text, patient)
        fired = self._fired(findings, patient)
        if self.guard is not None and not any(_sure(rule) for rule, _ in fired):
            judged = self.guard.judge(text, locale)
            findings = self._alarmed(findings, judged)
            fired = [
                pair for pair in self._fired(findings, patient) if judged.scores["crisis"] >= DOUBTFUL or not _doubted(pair[0])
            ]
        rules = tuple(rule for rule, _ in fired)
        reasons = tuple(_reason(rule, used, findings, locale) for rule, used in fired)
        escalate = bool(rules) and rules[0].kind != "urgent"
        return RailVerdict(
            rail="red_flags",
            decision=Decision.ESCALATE if escalate else Decision.ALLOW,
            category=rules[0].kind if rules else "",
            reason=", ".join(rule.id for rule in rules),
            reply=self.cards.write(rules, locale, _about_other(*fired[0], findings), country) if escalate else "",
            reasons=reasons,
            took_ms=(took := (time.perf_counter() - started) * 1000),
            timings=(("red_flags", took),),
        )

    def _alarmed(self, findings: Findings, judged: Judgement) -> Findings:
        """The findings with the alarm of the heads among them, resting on the passage that raised it: of two the surer one."""
        surest = max(judged.alarms, key=lambda head: judged.scores[head], default="")
        concepts = [c for c in self.reader.lexicon.concepts.values() if c.head and c.head == surest]
        who: Experiencer = "other" if findings.about_other else "self"
        alarms = {c.name: Finding(c.name, judged.passage, 0, 0, experiencer=who) for c in concepts}
        return replace(findings, active={**findings.active, **alarms})

    def card(self, reasons: Sequence[Reason], locale: Locale, country: str | None) -> str:
        """The emergency card for reasons that the interview found, one sentence a line."""
        return self.cards.call([reason.text for reason in reasons], locale, country)

    def _fired(self, findings: Findings, patient: PatientContext) -> list[tuple[Rule, tuple[str, ...]]]:
        names = set(findings.active)
        names.discard("pregnant")
        if findings.pregnant:
            names.add("pregnant")
        bands = age_bands(findings, patient)
        fired = [
            (rule, used)
            for rule in self.rules
            if _audience(rule, findings, bands) and (used := rule.matched(names)) is not None
        ]
        fired.sort(key=lambda pair: (_seriousness(pair[0]), self._place[pair[0].id]))
        return fired


def _sure(rule: Rule) -> bool:
    """Whether a rule escalates by itself, whatever the heads say."""
    return rule.kind == "emergency" or (rule.kind == "crisis" and not _doubted(rule))


def _doubted(rule: Rule) -> bool:
    """Whether the crisis head may call the rule off: words of despair and threat are figures of speech more often than not."""
    return rule.kind == "crisis" and rule.grade in ("ideation", "plan", "others")


def _seriousness(rule: Rule) -> int:
    if rule.kind == "crisis":
        return 0 if rule.grade == "attempt" else 2
    return 1 if rule.kind == "emergency" else 3


def age_bands(findings: Findings, patient: PatientContext) -> list[tuple[float, float]]:
    """The ages, as ranges in years, of the people a message speaks of; empty where it does not say."""
    ages = [(age.value, age.value) for age in findings.ages if age.when == "now"]
    if not ages and patient.age_years is not None:
        ages = [(patient.age_years, patient.age_years)]
    return ages or [(low, high) for word, low, high in _BANDS if word in findings.active][:1]


def _audience(rule: Rule, findings: Findings, bands: Sequence[tuple[float, float]]) -> bool:
    if rule.audience == "pregnant":
        return bool(findings.pregnant)
    if rule.audience == "adult":
        return not bands or any(high >= ADULT for _, high in bands)
    if rule.audience == "child":
        low, high = rule.age_years
        return any(low <= a and b <= high for a, b in bands)
    return True


def _about_other(rule: Rule, used: Sequence[str], findings: Findings) -> bool:
    """Whether the card speaks of "the person": of violence, whoever writes "me" is the one it happens to."""
    rests_on = [findings.active[name] for name in used if name in findings.active]
    if rule.grade == "abuse" and any(_ME.search(finding.words) for finding in rests_on):
        return False
    return any(finding.experiencer == "other" for finding in rests_on)


def _reason(rule: Rule, used: Sequence[str], findings: Findings, locale: Locale) -> Reason:
    words = dict.fromkeys(findings.active[name].words for name in used if name in findings.active)
    return Reason(rule.id, rule.reason[locale], tuple(word for word in words if word), rule.sources[0])
