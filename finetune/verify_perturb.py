"""Turns sentences round, or rewords them, for the training pairs of the claim gate. Same seed, same text, same result."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from retrieval.text import KNOWLEDGE
from retrieval.types import Locale

WORDS = Path(__file__).parent / "verify_words.yaml"
Kind = Literal["number", "unit", "negation", "opposite", "entity", "population", "certainty", "condition"]
KINDS: tuple[Kind, ...] = ("number", "unit", "negation", "opposite", "entity", "population", "certainty", "condition")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w]*\])")
_CONDITION = re.compile(
    r"(?:, |\b)(?:if|when|unless|until|only|except)\b[^,.;]*|如果[^，。；]*，|若[^，。；]*，|除非[^，。；]*，|[^，。；]{2,12}时，"
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One word or stretch in the place of another; the same edit can be made in the evidence."""

    kind: Kind
    old: str
    new: str

    def apply(self, text: str, everywhere: bool = True) -> str:
        edge = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
        if not re.search(r"[A-Za-z0-9]", self.old):
            edge = "", ""
        return re.sub(edge[0] + re.escape(self.old) + edge[1], lambda _: self.new, text, count=0 if everywhere else 1)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Names that may stand for one another, by what they name; `find` looks for them in a text."""

    classes: dict[str, list[str]]
    owner: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, classes: dict[str, list[str]]) -> "Lexicon":
        return cls(classes, {name: kind for kind, names in classes.items() for name in names})

    def find(self, text: str, locale: Locale) -> list[str]:
        """Names in the text, longest first."""
        if locale == "zh":
            grams = {text[a:b] for a in range(len(text)) for b in range(a + 2, min(len(text), a + 8) + 1)}
        else:
            words = re.findall(r"[a-z][a-z0-9-]+", text.lower())
            grams = {" ".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, min(len(words), a + 3) + 1)}
        return sorted(grams & self.owner.keys(), key=lambda name: (-len(name), name))


@cache
def words() -> dict[str, Any]:
    """The word lists of verify_words.yaml."""
    rows: dict[str, Any] = yaml.safe_load(WORDS.read_text("utf-8"))
    return rows


def edit(sentence: str, evidence: str, locale: Locale, lexicon: Lexicon, rng: random.Random) -> Edit | None:
    """A random edit after which the sentence says something that the evidence does not; None where none fits."""
    makers: dict[Kind, Callable[[], Edit | None]] = {
        "number": lambda: _number(sentence, evidence, rng),
        "unit": lambda: _pair("unit", sentence, words()["units"][locale], rng),
        "negation": lambda: _pair("negation", sentence, words()["negations"][locale], rng),
        "opposite": lambda: _pair("opposite", sentence, words()["opposites"][locale], rng),
        "entity": lambda: _entity(sentence, evidence, locale, lexicon, rng),
        "population": lambda: _population(sentence, evidence, locale, rng),
        "certainty": lambda: _pair("certainty", sentence, words()["stronger"][locale], rng, both=False),
        "condition": lambda: _condition(sentence),
    }
    for kind in rng.sample(KINDS, len(KINDS)):
        found = makers[kind]()
        if found and found.apply(sentence, everywhere=False) != sentence:
            return found
    return None


def _number(sentence: str, evidence: str, rng: random.Random) -> Edit | None:
    found = _NUMBER.findall(sentence)
    if not found:
        return None
    old = rng.choice(found)
    others = [n for n in _NUMBER.findall(evidence) if n != old and n not in found]
    scaled = [_like(old, float(old) * factor) for factor in (2, 3, 0.5, 1.5, 10)] + [_like(old, float(old) + 1)]
    new = rng.choice(others) if others and rng.random() < 0.3 else rng.choice(scaled)
    return Edit("number", old, new) if new != old else None


def _like(old: str, value: float) -> str:
    places = len(old.partition(".")[2])
    return f"{value:.{places}f}" if places or value == int(value) else f"{value:.1f}"


def _pair(kind: Kind, sentence: str, pairs: list[list[str]], rng: random.Random, both: bool = True) -> Edit | None:
    """A word against its partner: the longer of two is looked for first, so that "is not" becomes "is"."""
    found = []
    for left, right in pairs:
        for old, new in ((right, left), (left, right)) if both else ((left, right),):
            if Edit(kind, old, new).apply(sentence, everywhere=False) != sentence:
                found.append(Edit(kind, old, new))
                break
    return rng.choice(found) if found else None


def _entity(sentence: str, evidence: str, locale: Locale, lexicon: Lexicon, rng: random.Random) -> Edit | None:
    names = lexicon.find(sentence, locale)
    if not names:
        return None
    old = rng.choice(names[:3])
    kind = lexicon.owner[old]
    near = [n for n in lexicon.find(evidence, locale) if n not in sentence.lower() and lexicon.owner[n] == kind]
    new = rng.choice(near) if near and rng.random() < 0.5 else rng.choice(lexicon.classes[kind])
    if old in new or new in sentence.lower():
        return None
    written = re.search(re.escape(old), sentence, re.I)
    return Edit("entity", written[0] if written else old, new.capitalize() if written and written[0][0].isupper() else new)


def _population(sentence: str, evidence: str, locale: Locale, rng: random.Random) -> Edit | None:
    groups = words()["populations"][locale]
    found = [g for g in groups if Edit("population", g, "").apply(sentence) != sentence]
    others = [g for g in groups if g not in evidence.lower()]
    if not found or not others:
        return None
    return Edit("population", rng.choice(found), rng.choice(others))


def _condition(sentence: str) -> Edit | None:
    found = _CONDITION.search(sentence)
    if not found or len(found[0]) > 0.6 * len(sentence) or len(found[0]) < 4:
        return None
    return Edit("condition", found[0], "")


def reworded(sentence: str, locale: Locale, rng: random.Random) -> str:
    """The same said otherwise: words for their like, lay for medical names, a lead-in, half of it left out."""
    out = sentence
    for left, right in rng.sample(words()["alike"][locale], len(words()["alike"][locale])):
        old, new = (left, right) if rng.random() < 0.5 else (right, left)
        if rng.random() < 0.6:
            out = Edit("opposite", old, new).apply(out, everywhere=False)
    for name in sorted(_synonyms(locale).keys() & _grams(out, locale)):
        if rng.random() < 0.5:
            out = Edit("entity", name, rng.choice(_synonyms(locale)[name])).apply(out)
    if rng.random() < 0.1:
        lead = (
            ["根据资料，", "研究表明，", "一般来说，"]
            if locale == "zh"
            else ["Studies show that ", "It is reported that ", "In short, "]
        )
        out = rng.choice(lead) + (out if locale == "zh" else out[:1].lower() + out[1:])
    return out[:1].upper() + out[1:]


def shortened(sentence: str, locale: Locale, rng: random.Random) -> str:
    """A part of the sentence that stands on its own, where a comma or semicolon lets one be cut off."""
    parts = re.split(
        r"(?<=；)|，(?=并|也|而且|可以|应)" if locale == "zh" else r"(?<=;) |, (?=and |but |with |including |which )", sentence
    )
    if len(parts) < 2 or len(parts[0]) < (8 if locale == "zh" else 30) or _CONDITION.search(parts[0] + "，"):
        return sentence
    cut = parts[0].rstrip("，；;, ")
    return cut + ("。" if locale == "zh" else ".") if rng.random() < 0.8 else sentence


def _grams(text: str, locale: Locale) -> set[str]:
    if locale == "zh":
        return {text[a:b] for a in range(len(text)) for b in range(a + 2, min(len(text), a + 7) + 1)}
    found = re.findall(r"[A-Za-z-]+", text)
    return {" ".join(found[a:b]) for a in range(len(found)) for b in range(a + 1, min(len(found), a + 3) + 1)}


@cache
def _synonyms(locale: Locale) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for row in yaml.safe_load((KNOWLEDGE / "synonyms.yaml").read_text("utf-8")):
        names = [name for name in row.get(locale) or () if len(name) > 1][:6]
        out |= {name: [other for other in names if other != name] for name in names if len(names) > 1}
    return out
