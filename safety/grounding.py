"""The claim gate: a sentence is shown only when a passage it cites holds it.

Deterministic. A sentence passes when one claim of a cited passage covers its words, and numbers with their units,
negation, direction, population, condition and certainty agree. What it cannot tell it holds back.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from retrieval.text import KNOWLEDGE, is_chinese, sentences, weighted_terms
from retrieval.types import Citation, Evidence, Locale
from safety.types import CheckedSentence, PolicyError, Problem

COVERED = 0.85  # share of a sentence's word weight that one claim must hold
ALIKE = 0.8  # share of a sentence's word weight from which another sentence is about the same
SPECIFIC = 0.45  # a word of this weight or more (a drug, a disease) must itself be in the claim
_LABEL = re.compile(r"\[([ER]\d+)\]")
_NUMBER = re.compile(
    r"(\d+(?:[.,/]\d+)*)\s*(?:to|-|–|~|至|到)?\s*"
    r"(%|％|mg/kg|mg/dl|mmol/l|mmol/mol|g/l|mmhg|kg|mg|mcg|µg|micrograms?|ml|g\b|iu\b|°c|℃|°f|cm|mm\b|bpm|hours?|days?|weeks?|months?|years?|minutes?|"
    r"seconds?|times|小时|天|日|周|个月|月|年|岁|分钟|秒|次|毫克|克|千克|公斤|毫升|片|厘米|毫米)?",
    re.I,
)
_ALIKE = {"％": "%", "℃": "°c", "microgram": "mcg", "µg": "mcg", "hour": "小时", "day": "天", "日": "天", "week": "周",
          "month": "月", "个月": "月", "year": "年", "岁": "年", "minute": "分钟", "second": "秒", "time": "次",
          "mg": "毫克", "g": "克", "kg": "千克", "公斤": "千克", "ml": "毫升", "cm": "厘米", "mm": "毫米"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Support:
    """How well one text holds a sentence. `score` is 0..1; supported only without problems."""

    score: float
    problems: tuple[Problem, ...]

    @property
    def supported(self) -> bool:
        return not self.problems


def check_sentence(sentence: str, evidence: Sequence[Evidence], locale: Locale) -> CheckedSentence:
    """The gate's decision on one sentence that cites labels such as [E1]. Without a known label it never passes."""
    known = {item.label: item.passage for item in evidence}
    labels = [label for label in dict.fromkeys(_LABEL.findall(sentence)) if label in known]
    text = re.sub(r"\s*\[[^\]]*\]", "", sentence).strip()
    if not labels:
        return CheckedSentence(text, False, problems=(Problem("uncited", "no passage of this turn is cited"),))
    tried = [(best_support(text, [claim.say(locale)]), label, claim.id) for label in labels for claim in known[label].claims]
    support, label, claim_id = max(tried, key=lambda item: (item[0].supported, item[0].score))
    citation = Citation(label, known[label].id, (claim_id,))
    return CheckedSentence(text, support.supported, (citation,), support.problems, support.score)


def best_support(sentence: str, texts: Iterable[str]) -> Support:
    """The support of the text that holds the sentence best. No text, or an empty sentence, supports nothing."""
    found = [support(sentence, text) for text in texts]
    if not found:
        return Support(0.0, (Problem("unsupported", "there is no evidence"),))
    return max(found, key=lambda item: (item.supported, item.score))


def support(sentence: str, text: str) -> Support:
    """Whether `text` (one or a few sentences) holds `sentence`; each disagreement is a problem."""
    said, held = weighted_terms(sentence), weighted_terms(text)
    total = sum(said.values())
    if not total:
        return Support(0.0, (Problem("unsupported", "the sentence says nothing that can be checked"),))
    score = sum(weight for word, weight in said.items() if word in held) / total
    problems = [Problem("drug", f"{word!r} is not in the source") for word in _foreign(said, held)]
    if score < COVERED:
        problems.append(Problem("unsupported", f"only {score:.0%} of the sentence is in the source"))
    return Support(score, (*problems, *_numbers(sentence, text), *_turned(sentence, text)))


def numbers_differ(sentence: str, text: str) -> tuple[Problem, ...]:
    """The numbers and units of a sentence that its text does not have."""
    return tuple(_numbers(sentence, text))


def forbidden(sentence: str, text: str) -> tuple[Problem, ...]:
    """What `sentence` says without a denial while a sentence of `text` with nearly all its words forbids it."""
    locale, words = "zh" if is_chinese(sentence) else "en", _words()
    said = _prepared(sentence)
    if words["negation"][locale].search(said) or words["prohibition"][locale].search(said):
        return ()
    for other in sentences(text):
        if words["prohibition"][locale].search(_prepared(other)) and support(sentence, other).score >= ALIKE:
            return (Problem("negation", "the source forbids what the sentence says"),)
    return ()


def _foreign(said: dict[str, float], held: dict[str, float]) -> list[str]:
    return [word for word, weight in said.items() if weight >= SPECIFIC and word not in held and not word[0].isdigit()]


def _numbers(sentence: str, text: str) -> list[Problem]:
    said, held = _measures(sentence), _measures(text)
    problems: list[Problem] = []
    for value, unit in said:
        units = {u for v, u in held if v == value}
        if not units:
            problems.append(Problem("number", f"{value} is not in the source"))
        elif unit and unit not in units and any(units):
            problems.append(Problem("unit", f"{value} {unit} is {value} {'/'.join(sorted(units))} in the source"))
    return problems


def _measures(text: str) -> list[tuple[str, str]]:
    out = []
    for value, unit in _NUMBER.findall(text.lower()):
        name = unit if unit in _ALIKE else unit.removesuffix("s")
        out.append((value.replace(",", ""), _ALIKE.get(name, name)))
    return out


@cache
def _words(path: Path = KNOWLEDGE / "polarity.yaml") -> dict[str, Any]:
    try:
        rows: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key in ("negation", "population", "condition", "certainty", "prohibition"):
            rows[key] = {locale: _pattern(rows[key][locale], locale) for locale in ("en", "zh")}
        rows["exceptions"] = re.compile("|".join(map(re.escape, _raw(path)["negation"]["exceptions_zh"])))
        rows["opposites"] = [{lo: [_pattern(g, lo) for g in pair[lo]] for lo in ("en", "zh")} for pair in rows["opposites"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise PolicyError(f"{path}: {error!r}; see the comments at its top for the form") from error
    return rows


def _raw(path: Path) -> dict[str, Any]:
    rows: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return rows


def _pattern(words: list[str], locale: str) -> re.Pattern[str]:
    ordered = sorted(words, key=len, reverse=True)
    if locale == "zh":
        return re.compile("|".join(map(re.escape, ordered)))
    return re.compile("|".join(re.escape(w) if not w[0].isalnum() else rf"\b{re.escape(w)}\b" for w in ordered))


def _turned(sentence: str, text: str) -> list[Problem]:
    """Disagreements in negation, direction, population, condition and certainty."""
    locale = "zh" if is_chinese(sentence) else "en"
    said, held = _prepared(sentence), _prepared(text)
    words = _words()
    problems: list[Problem] = []
    if len(words["negation"][locale].findall(said)) != len(words["negation"][locale].findall(held)):
        problems.append(Problem("negation", "the sentence and its source do not deny the same things"))
    for pair in words["opposites"]:
        left, right = ((bool(g.search(said)), bool(g.search(held))) for g in pair[locale])
        if (left[0] and not left[1] and right[1]) or (right[0] and not right[1] and left[1]):
            problems.append(Problem("negation", "the sentence says the opposite of its source"))
    for key in ("population", "condition"):
        dropped = set(words[key][locale].findall(held)) ^ set(words[key][locale].findall(said))
        if dropped:
            problems.append(Problem("population", f"{', '.join(sorted(dropped))} stands on one side only"))
    added = set(words["certainty"][locale].findall(said)) - set(words["certainty"][locale].findall(held))
    if added:
        problems.append(Problem("certainty", f"{', '.join(sorted(added))} is not in the source"))
    return problems


def _prepared(text: str) -> str:
    return str(_words()["exceptions"].sub("", re.sub(r"n't\b|\bcannot\b", " not", text.lower().replace("’", "'"))))
