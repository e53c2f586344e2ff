"""Takes out of a text what could tell whose it is, in English, Chinese or both.

Four sources, joined: rules (`deid_rules`), a small network for names that no list has (`deid_names`), the names that the
record already knows, and further mentions of a name that was found. Eponyms, drugs, anatomy, doses, relative dates,
years, ages under 90, countries and states stay. Follows the HIPAA safe harbour, 45 CFR 164.514(b)(2), and GB/T 35273.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from retrieval.types import Locale
from safety.deid_names import NameFinder
from safety.deid_rules import Found, Rules
from safety.deid_words import Words
from safety.pseudonyms import Pseudonyms

Mode = Literal["mask", "pseudonymise"]
READ = 200_000  # characters: longer texts are refused, they are not cut
SURE = 0.9  # score from which a name is looked for in the rest of the text
_CJK = re.compile(r"[\u3400-\u9fff]")
_SIGN = re.compile(r"[^\W_]")
_LETTER = re.compile(r"[^\W\d_]")
_FREE = ("NAME", "LOCATION", "ORGANIZATION")  # types whose spans may be joined with and cut by others


@dataclass(frozen=True, slots=True)
class Entity:
    """`text[start:end]` of the original identifies somebody. `score` is 0 to 1; `rule` says what found it."""

    start: int
    end: int
    type: str
    score: float
    rule: str


@dataclass(frozen=True, slots=True)
class Deidentified:
    """The text with its entities replaced; the entities' offsets are those of the original."""

    text: str
    entities: tuple[Entity, ...]


@lru_cache(maxsize=1)
def _parts() -> tuple[Rules, Words, NameFinder]:
    return Rules.load(), Words.load(), NameFinder()


def deidentify(
    text: str,
    mode: Mode = "mask",
    locale: Locale | None = None,
    known: Iterable[str] = (),
    pseudonyms: Pseudonyms | None = None,
) -> Deidentified:
    """The text without what identifies a person.

    `mask` puts the type in the place of each entity ("[NAME]", "[姓名]"); `pseudonymise` a number too, the same for the same
    value ("[NAME-1]"), kept in `pseudonyms` so that the text can be restored. `locale` chooses the language of the masks
    (None: that of the text). `known` are names from the record, found in any case. Raises ValueError for an unknown mode
    and for more than 200,000 characters.
    """
    if mode not in ("mask", "pseudonymise"):
        raise ValueError(f"mode {mode!r} is unknown; use 'mask' or 'pseudonymise'")
    if len(text) > READ:
        raise ValueError(f"a text of {len(text)!r} characters is too long; send at most {READ} at a time")
    entities = find(text, known)
    spoken = locale or ("zh" if 3 * len(_CJK.findall(text)) > len(_LETTER.findall(text)) else "en")
    names = pseudonyms if pseudonyms is not None else Pseudonyms()
    masks, last = _parts()[0].masks, 0
    out: list[str] = []
    for entity in entities:
        label = masks[entity.type][spoken]
        value = text[entity.start : entity.end]
        out += (text[last : entity.start], f"[{label}]" if mode == "mask" else names.token(label, value))
        last = entity.end
    return Deidentified("".join((*out, text[last:])), entities)


def find(text: str, known: Iterable[str] = ()) -> tuple[Entity, ...]:
    """The entities of a text in order, not overlapping."""
    rules, words, names = _parts()
    found = rules.find(text)
    found += [Found(s.start, s.end, s.kind, round(s.score, 3), "net") for s in names.find(text)]
    kept = [one for candidate in found for one in words.judge(text, candidate)]
    kept += _mentions(text, known, 0.99, "known")
    # what a number cut off from a name is judged anew: "Claim number" is left of "Claim number 4471"
    settled = [one for candidate in _settle(text, kept) for one in words.judge(text, candidate)]
    sure = (text[f.start : f.end] for f in settled if f.type == "NAME" and f.score >= SURE)
    again = [name for name in sure if words.telling(name)]
    settled = _settle(text, [*settled, *(f for f in _mentions(text, again, 0.7, "again") if _exact(text, f, again))])
    return tuple(Entity(f.start, f.end, f.type, f.score, f.rule) for f in settled)


def _mentions(text: str, names: Iterable[str], score: float, rule: str) -> list[Found]:
    """Where a name, or a part of it that tells enough, stands in the text."""
    wanted: set[str] = set()
    for name in names:
        parts = re.split(r"[\s,·]+", name.strip())
        wanted |= {part for part in (name.strip(), *parts) if len(part) >= (2 if _CJK.search(part) else 3)}
    if not wanted:
        return []
    either = "|".join(re.escape(name) for name in sorted(wanted, key=len, reverse=True))
    edge = r"[^\W\d_\u3400-\u9fff]"
    pattern = re.compile(f"(?<!{edge})(?:{either})(?!{edge})", re.I)
    return [Found(m.start(), m.end(), "NAME", score, rule) for m in pattern.finditer(text)]


def _exact(text: str, found: Found, names: Sequence[str]) -> bool:
    """Further mentions of a found name count only as they were written, else "hope" would follow from "Hope"."""
    value = text[found.start : found.end]
    return any(value in name for name in names)


def _settle(text: str, found: Iterable[Found]) -> list[Found]:
    """The best candidates without overlap: high scores first, then long ones; free text joins its like and gives way to others."""
    taken: list[Found] = []
    for candidate in sorted(found, key=lambda f: (f.type in _FREE, -f.score, f.start - f.end)):
        over = [t for t in taken if t.start < candidate.end and candidate.start < t.end]
        if not over:
            taken.append(candidate)
        elif candidate.type in _FREE and all(t.type == candidate.type and t.rule != "known" for t in over):
            start, end = min(candidate.start, *(t.start for t in over)), max(candidate.end, *(t.end for t in over))
            taken = [t for t in taken if t not in over] + [replace(over[0], start=start, end=end)]
        elif candidate.type in _FREE:
            taken += _remains(text, candidate, over)
    return _joined(text, sorted(taken, key=lambda f: f.start))


def _remains(text: str, candidate: Found, over: Sequence[Found]) -> list[Found]:
    """What is left of free text where others cover a part of it."""
    cuts = sorted((t.start, t.end) for t in over)
    starts, ends = [candidate.start, *(end for _, end in cuts)], [*(start for start, _ in cuts), candidate.end]
    spans = [
        (a + len(text[a:b]) - len(text[a:b].lstrip()), a + len(text[a:b].rstrip())) for a, b in zip(starts, ends, strict=True)
    ]
    pieces = [replace(candidate, start=a, end=b) for a, b in spans if b > a]
    return [p for p in pieces if len(_SIGN.findall(text[p.start : p.end])) >= 2]


def _joined(text: str, found: Sequence[Found]) -> list[Found]:
    """Neighbouring pieces of one address become one."""
    out: list[Found] = []
    for one in found:
        near = out and out[-1].type == one.type == "LOCATION" and re.fullmatch(r"[\s,，]{0,3}", text[out[-1].end : one.start])
        out = [*out[:-1], replace(out[-1], end=one.end)] if near else [*out, one]
    return out
