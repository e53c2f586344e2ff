"""Two medicines (or a medicine and a food) that a question names together, and what is known of taking both.

The rows are `knowledge/interactions.yaml`; brand names come from `knowledge/formulary.yaml`, everyday words from `medicine_words.yaml`.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from retrieval.forms import InteractionRow, Medicine, MedicineWords, Side
from retrieval.reference import load, rows
from retrieval.text import KNOWLEDGE
from retrieval.types import Claim, Evidence, Locale, Passage, Source

GRAVEST = ("contraindicated", "major", "moderate", "minor")
MOST = 2  # rows that an answer shows
TOGETHER = re.compile(
    r"\b(?:with|and|together|while|alongside|mix\w*|combin\w*|interact\w*|on|plus|same time|drink\w*|take|taking)\b|"
    r"[和与跟同能可喝]|一起|混|搭配|期间|又吃|再吃|在吃|在服|相克|相互作用",
    re.I,
)
APART = re.compile(
    r"\b(?:difference|versus|vs|better|instead|rather than|switch\w*|swap\w*|replac\w*)\b|区别|哪个好|哪种好|换成|代替", re.I
)
SEVERITY: dict[str, dict[Locale, str]] = {
    "contraindicated": {"en": "must not be combined", "zh": "禁止合用"},
    "major": {"en": "serious", "zh": "严重"},
    "moderate": {"en": "moderate", "zh": "中等"},
    "minor": {"en": "minor", "zh": "轻微"},
}


@dataclass(frozen=True, slots=True)
class Named:
    """A word of the question that names a side: the member it means, "" for a whole class."""

    member: str
    at: int


class Interactions:
    """Finds rows by the names in a question."""

    def __init__(
        self, rows: Sequence[InteractionRow], medicines: Sequence[Medicine] = (), words: Sequence[MedicineWords] = ()
    ) -> None:
        self._rows = {row.id: row for row in rows}
        self._called: dict[str, list[str]] = defaultdict(list)
        for m in medicines:
            self._called[m.names.en[0].lower()] += [*m.names.en, *m.names.zh]
        for row in words:
            for member in row.means:
                self._called[member.lower()] += [*row.en, *row.zh]

    @classmethod
    def load(cls, folder: Path = KNOWLEDGE) -> "Interactions":
        """Raises KnowledgeError that names the row."""
        words = rows(MedicineWords, folder / "medicine_words.yaml", named=False)
        return cls(load("interactions", folder), load("formulary", folder), words)

    def search(self, question: str, clinician: bool = False) -> list[Evidence]:
        """The rows both of whose sides are named, gravest first, as passages labelled E1, E2; none when fewer are named."""
        if not TOGETHER.search(question) or APART.search(question):
            return []
        text = question.lower()
        named = [self._rows[name] for name in self._candidates(text)]
        found = [row for row in named if _two(self._in(row.a, text), self._in(row.b, text))]
        found.sort(key=lambda row: GRAVEST.index(row.severity))
        passages = [self._passage(row, clinician) for row in found[:MOST]]
        return [Evidence(f"E{n}", p, 1.0, dict.fromkeys((c.id for c in p.claims), 1.0)) for n, p in enumerate(passages, 1)]

    def passage(self, passage_id: str) -> Passage:
        """Raises KeyError."""
        return self._passage(self._rows[passage_id.removeprefix("interaction-").partition("/")[0]], True)

    def title(self, topic: str, locale: Locale) -> str:
        """What a row is about. Raises KeyError."""
        row = self._rows[topic.removeprefix("interaction-")]
        return _title(row, locale)

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def _words(self) -> dict[str, set[str]]:
        """The ids of the rows in which a name (lower case) stands on a side."""
        found: dict[str, set[str]] = {}
        for row in self._rows.values():
            for side in (row.a, row.b):
                for name in self._names(side):
                    found.setdefault(name, set()).add(row.id)
        return found

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = sorted(self._words, key=len, reverse=True)
        return re.compile("|".join(_bounded(name) for name in names) or r"(?!)")

    def _names(self, side: Side) -> dict[str, str]:
        """Each name of a side, lower case, with the member it means ("" for the class)."""
        out: dict[str, str] = {}
        if side.class_:
            out |= {re.sub(r"\s*\(.*?\)|（.*?）", "", name).lower(): "" for name in (side.class_.en, side.class_.zh)}
        for en, zh in zip(side.en, side.zh, strict=True):
            out |= {name.lower(): en.lower() for name in (en, zh, *self._called.get(en.lower(), ()))}
        return {name: member for name, member in out.items() if len(name) > 1}

    def _candidates(self, text: str) -> list[str]:
        """The rows of which at least two different names stand in the text."""
        seen: dict[str, set[str]] = {}
        for match in self._pattern.finditer(text):
            for row in self._words[match.group().removesuffix("s") if match.group() not in self._words else match.group()]:
                seen.setdefault(row, set()).add(match.group())
        return [row for row, names in seen.items() if len(names) > 1]

    def _in(self, side: Side, text: str) -> list[Named]:
        names = self._names(side)
        return [Named(member, m.start()) for name, member in names.items() for m in re.finditer(_bounded(name), text)]

    def _passage(self, row: InteractionRow, clinician: bool) -> Passage:
        topic = f"interaction-{row.id}"
        cited = tuple(Source(f"{row.id}-{n}", d.publisher, d.title, d.year, d.url) for n, d in enumerate(row.sources))
        told = [("patient", row.patient.en, row.patient.zh)]
        if clinician:
            worse = SEVERITY[row.severity]
            told = [
                ("effect", f"{_title(row, 'en')} ({worse['en']}): {row.effect.en}.", f"{_title(row, 'zh')}（{worse['zh']}）：{row.effect.zh}。"),
                ("mechanism", f"Mechanism: {row.mechanism.en}.", f"机制：{row.mechanism.zh}。"),
                *([("action", f"{row.action.en}.", f"{row.action.zh}。")] if row.action else []),
            ]  # fmt: skip
        claims = tuple(
            Claim(f"{topic}/medicines#{i}", {"en": en.replace("..", "."), "zh": zh.replace("。。", "。")}, cited)
            for i, en, zh in told
        )
        titles: dict[Locale, str] = {"en": _title(row, "en"), "zh": _title(row, "zh")}
        return Passage(claims[0].id, topic, titles, "medicines", claims, reviewed_on=row.checked_on)


def _title(row: InteractionRow, locale: Locale) -> str:
    sides = [
        (side.class_.en if locale == "en" else side.class_.zh) if side.class_ else getattr(side, locale)[0]
        for side in (row.a, row.b)
    ]
    text = " and ".join(sides) if locale == "en" else "与".join(sides)
    return text[:1].upper() + text[1:]


def _two(one: Sequence[Named], other: Sequence[Named]) -> bool:
    """Whether the sides are named at different places, by different medicines."""
    return any(a.at != b.at and (a.member != b.member or not a.member) for a in one for b in other)


def _bounded(name: str) -> str:
    return rf"(?<![a-z]){re.escape(name)}s?(?![a-z])" if name.isascii() else re.escape(name)
