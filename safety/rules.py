"""Loads and validates the red-flag rules (`knowledge/red_flags.yaml`). No message is read here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from retrieval.types import LOCALES, Locale, Source
from safety.lexicon import Lexicon
from safety.policy_files import Located, at, mapping, read_yaml, strings
from safety.types import PolicyError

Kind = Literal["emergency", "urgent", "crisis"]
Audience = Literal["any", "adult", "child", "pregnant"]
Grade = Literal["", "ideation", "plan", "attempt", "abuse", "others"]
Line = tuple[tuple[str, ...], ...]  # all of these; each is satisfied by any one of its names

KEYS = {
    "id", "kind", "grade", "audience", "age_years", "all", "any", "not",
    "reason", "meanwhile", "source", "hits", "near_misses", "date",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """One red flag. `all` and `any` hold lines of concept names; `never` lists what rules it out."""

    id: str
    kind: Kind
    grade: Grade
    audience: Audience
    age_years: tuple[float, float]
    all: Line
    any: tuple[Line, ...]
    never: tuple[tuple[str, str], ...]  # (what rules it out, what overrides that or "")
    reason: Mapping[Locale, str]
    meanwhile: tuple[Mapping[Locale, str], ...]
    sources: tuple[Source, ...]
    hits: Mapping[Locale, tuple[str, ...]]
    near_misses: Mapping[Locale, tuple[str, ...]]
    reviewed_on: str
    line: int

    def matched(self, present: Iterable[str]) -> tuple[str, ...] | None:
        """The concepts the rule rests on when it holds for what is present, else None."""
        names = set(present)
        if any(name in names and unless not in names for name, unless in self.never):
            return None
        used = _satisfied(self.all, names)
        if used is None:
            return None
        if not self.any:
            return used
        for line in self.any:
            more = _satisfied(line, names)
            if more is not None:
                return (*used, *more)
        return None


def _satisfied(line: Line, names: set[str]) -> tuple[str, ...] | None:
    chosen = [next((name for name in options if name in names), "") for options in line]
    return tuple(chosen) if all(chosen) else None


def load_rules(path: Path, lexicon: Lexicon) -> tuple[Rule, ...]:
    """All rules of a file, most serious first, as they stand there. Raises PolicyError naming file and line."""
    data = read_yaml(path)
    loader = _Loader(str(path), data, lexicon)
    specs = data.get("rules")
    if not isinstance(specs, list) or not specs:
        raise PolicyError(f"{path}:{at(data)}: 'rules' must be a list of rules, got {specs!r}")
    rules = tuple(loader.rule(spec) for spec in specs)
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise PolicyError(f"{path}:{rule.line}: rule {rule.id!r} is given twice; rename or remove one")
        seen.add(rule.id)
    return rules


def source_of(key: str, spec: Any, where: str) -> Source:
    """One entry of a file's `sources`. Raises PolicyError naming file and line."""
    if not isinstance(spec, Located) or not {"publisher", "title", "year"} <= set(spec):
        raise PolicyError(f"{where}:{at(spec)}: source {key!r} needs publisher, title and year, got {spec!r}")
    if not isinstance(spec["year"], int):
        raise PolicyError(f"{where}:{at(spec)}: source {key!r}: year must be a number, got {spec['year']!r}")
    return Source(key, spec["publisher"], spec["title"], spec["year"], spec.get("url"), spec.get("country"))


def texts_of(spec: Any, what: str, where: str) -> Mapping[Locale, str]:
    """A text in both languages. Raises PolicyError naming file and line."""
    texts = spec if isinstance(spec, dict) else {}
    if set(texts) != set(LOCALES) or not all(isinstance(text, str) and text for text in texts.values()):
        raise PolicyError(f"{where}:{at(spec)}: {what} needs a text in en and zh, got {spec!r}")
    return {locale: texts[locale] for locale in LOCALES}


class _Loader:
    def __init__(self, where: str, data: Located, lexicon: Lexicon) -> None:
        self.where = where
        self.lexicon = lexicon
        self.reviewed_on = str(data.get("reviewed_on", ""))
        self.sources = {key: source_of(key, spec, where) for key, spec in mapping(data, "sources", where).items()}
        self.advice = {key: texts_of(spec, f"advice {key!r}", where) for key, spec in mapping(data, "advice", where).items()}

    def fail(self, spec: Any, text: str) -> PolicyError:
        return PolicyError(f"{self.where}:{at(spec)}: {text}")

    def rule(self, spec: Any) -> Rule:
        if not isinstance(spec, Located) or not isinstance(spec.get("id"), str):
            raise self.fail(spec, f"a rule must be a mapping with an id, got {spec!r}")
        name = spec["id"]
        unknown = set(spec) - KEYS
        if unknown:
            raise self.fail(spec, f"rule {name!r} has unknown keys {sorted(unknown)!r}; use {sorted(KEYS)!r}")
        every, any_of = self._lines(spec, "all"), self._lines(spec, "any")
        if not every and not any_of:
            raise self.fail(spec, f"rule {name!r} needs 'all' or 'any'")
        never = self._never(spec)
        return Rule(
            name,
            self._one_of(spec, "kind", get_args(Kind)),
            self._one_of(spec, "grade", get_args(Grade), ""),
            self._one_of(spec, "audience", get_args(Audience), "any"),
            self._ages(spec),
            tuple(options for line in every for options in line),
            any_of,
            never,
            texts_of(spec.get("reason"), f"rule {name!r}: reason", self.where),
            self._advice(spec, name),
            self._sources(spec, name),
            self._examples(spec, "hits"),
            self._examples(spec, "near_misses"),
            str(spec.get("date", self.reviewed_on)),
            spec.line,
        )

    def _one_of(self, spec: Located, key: str, allowed: tuple[str, ...], default: str | None = None) -> Any:
        value = spec.get(key, default)
        if value not in allowed:
            raise self.fail(spec, f"rule {spec['id']!r}: {key} {value!r} is not one of {allowed!r}")
        return value

    def _ages(self, spec: Located) -> tuple[float, float]:
        value = spec.get("age_years", [0, 18] if spec.get("audience") == "child" else [0, 150])
        if not (isinstance(value, list) and len(value) == 2 and all(isinstance(v, (int, float)) for v in value)):
            raise self.fail(spec, f"rule {spec['id']!r}: age_years must be [from, to] in years, got {value!r}")
        return float(value[0]), float(value[1])

    def _lines(self, spec: Located, key: str) -> tuple[Line, ...]:
        lines = []
        for text in strings(spec, key, self.where):
            line = tuple(tuple(name.strip() for name in part.split("|")) for part in text.split("+"))
            self._known(spec, spec["id"], (name for options in line for name in options))
            lines.append(line)
        return tuple(lines)

    def _never(self, spec: Located) -> tuple[tuple[str, str], ...]:
        pairs = [text.partition(" unless ") for text in strings(spec, "not", self.where)]
        self._known(spec, spec["id"], (name for pair in pairs for name in pair[::2] if name))
        return tuple((name, unless) for name, _, unless in pairs)

    def _known(self, spec: Located, rule: str, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.lexicon.concepts:
                raise self.fail(spec, f"rule {rule!r}: concept {name!r} is not in the findings file; define it there")

    def _advice(self, spec: Located, rule: str) -> tuple[Mapping[Locale, str], ...]:
        names = strings(spec, "meanwhile", self.where)
        unknown = [name for name in names if name not in self.advice]
        if unknown or not 1 <= len(names) <= 4:
            raise self.fail(spec, f"rule {rule!r}: meanwhile needs 1 to 4 names of advice, got {names!r}")
        return tuple(self.advice[name] for name in names)

    def _sources(self, spec: Located, rule: str) -> tuple[Source, ...]:
        names = spec.get("source")
        names = names if isinstance(names, list) else [names]
        for name in names:
            if name not in self.sources:
                raise self.fail(spec, f"rule {rule!r}: source {name!r} is not listed under sources")
        return tuple(self.sources[name] for name in names)

    def _examples(self, spec: Located, key: str) -> Mapping[Locale, tuple[str, ...]]:
        if key not in spec:
            return dict.fromkeys(LOCALES, ())
        examples = mapping(spec, key, self.where)
        return {locale: tuple(strings(examples, locale, self.where)) for locale in LOCALES}
