"""Reads `policy/deid.yaml` and finds what it describes: numbers with a form of their own, and values behind a label."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import regex  # type: ignore[import-untyped]

from safety.deid_checks import CHECKS, Check
from safety.policy_files import at, mapping, read_yaml, strings
from safety.types import PolicyError

POLICY = Path(__file__).parent / "policy"
RULES_PATH = POLICY / "deid.yaml"
LABELLED = 0.96  # score of a value behind a label
LEAST_DIGITS = 4  # of a value behind a label, unless its rule says otherwise

_CJK = re.compile(r"[\u3400-\u9fff]")
_PART = re.compile(r"<(\w+)>")
_YEAR = re.compile(r"(?:19|20)\d{2}")
_CAPITAL = r"(?-i:[A-Z])[\w'’.-]*+(?!\s*[:#])"
_LINK = r"(?:(?:van|de|der|den|bin|binti|al|el|la|da|dos|von|y|del) +)*"
_NAME_EN = f"{_CAPITAL}(?:,? +{_LINK}{_CAPITAL}){{0,4}}"
_PLAIN_CAPITAL = r"(?-i:[A-Z](?:\.|[\w'’-]+))(?!\s*[:#])"
_WEAK_NAME_EN = rf"{_PLAIN_CAPITAL}(?:,? +{_LINK}{_PLAIN_CAPITAL}){{1,4}}(?= *(?:[;(|\n]|,(?! *I\b)|\.(?:\s|$)|$))"
_INITIALS = r"(?<![\w.])(?P<v>(?:[A-Z]\. ?){1,2}[A-Z][a-zà-öø-ÿ'’]{2,}(?:-[A-Z][\w'’]+)?)(?!\w)"
_NAME_ZH = r"[\u3400-\u9fff]{2,12}(?:·[\u3400-\u9fff]{1,8})?(?=[\s,，。;；、(（/|【】]|性别|$)"


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate: `text[start:end]` is of this type, says this rule. `score` is 0 to 1."""

    start: int
    end: int
    type: str
    score: float
    rule: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled row. The value is the group `v` where there is one, else the whole match."""

    id: str
    type: str
    score: float
    pattern: "regex.Pattern[str]"
    check: Check | None
    trim: "re.Pattern[str] | None"
    digits: int
    chinese: bool = False  # its label is Chinese

    def find(self, text: str) -> Iterator[Found]:
        """Every value in the text that passes the check."""
        for match in self.pattern.finditer(text):
            start, end = match.span("v") if "v" in self.pattern.groupindex else match.span()
            if self.trim and (cut := self.trim.match(text[start:end])):
                start += cut.end()
            start += len(text[start:end]) - len(text[start:end].lstrip())
            end -= len(text[start:end]) - len(text[start:end].rstrip(" .,;-"))
            if end > start and self._counts(text[start:end]) and (self.check is None or self.check(text, start, end)):
                yield Found(start, end, self.type, self.score, self.id)

    def _counts(self, value: str) -> bool:
        return sum(c.isdigit() for c in value) >= self.digits and not (self.digits and _YEAR.fullmatch(value))


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything of `policy/deid.yaml`, compiled once."""

    rules: tuple[Rule, ...]
    masks: Mapping[str, Mapping[str, str]]

    @classmethod
    def load(cls, path: Path = RULES_PATH) -> "Rules":
        """Reads and compiles the file. Raises PolicyError naming file and line."""
        data, where = read_yaml(path), str(path)
        parts = dict(mapping(data, "parts", where))
        parts["state"] = "(?:" + "|".join(sorted(strings(data, "states", where), key=len, reverse=True)) + ")"
        values = {name: _filled(value, parts) for name, value in mapping(data, "values", where).items()}
        masks = mapping(data, "masks", where)
        rules = [_pattern(row, parts, where) for row in data["patterns"]]
        rules += [rule for row in data["labelled"] for rule in _labelled(row, parts, values, where)]
        rules += _named(mapping(data, "named", where), parts["link"], where)
        for rule in rules:
            if rule.type not in masks:
                raise PolicyError(
                    f"{where}:1: rule {rule.id!r} has type {rule.type!r}, which masks does not name; add it there"
                )
        return cls(tuple(rules), masks)

    def find(self, text: str) -> list[Found]:
        """All candidates; they may overlap."""
        chinese = _CJK.search(text) is not None
        return [found for rule in self.rules if chinese or not rule.chinese for found in rule.find(text)]


def _filled(pattern: str, parts: Mapping[str, str]) -> str:
    return _PART.sub(lambda m: _filled(parts[m[1]], parts) if m[1] in parts else m[0], pattern)


def _compiled(source: str, flags: str, where: str, row: Any) -> "regex.Pattern[str]":
    # \w is ASCII unless a row asks for `u`: a Chinese character beside a number is no part of it
    modes = (regex.IGNORECASE if "i" in flags else 0) | (0 if "u" in flags else regex.ASCII)
    try:
        return regex.compile(source, modes)
    except regex.error as error:
        raise PolicyError(f"{where}:{at(row)}: rule {row.get('id')!r}: {error}; mend the pattern {source!r}") from error


def _check(row: Mapping[str, Any], where: str) -> Check | None:
    name = row.get("check")
    if name is not None and name not in CHECKS:
        raise PolicyError(f"{where}:{at(row)}: check {name!r} is unknown; take one of {sorted(CHECKS)!r}")
    return CHECKS[name] if name else None


def _pattern(row: Mapping[str, Any], parts: Mapping[str, str], where: str) -> Rule:
    pattern = _compiled(_filled(row["pattern"], parts), row.get("flags", ""), where, row)
    trim = re.compile(row["trim"]) if "trim" in row else None
    return Rule(
        row["id"], row["type"], float(row["score"]), pattern, _check(row, where), trim, 0, row["id"].startswith("chinese")
    )


def _labelled(row: Mapping[str, Any], parts: Mapping[str, str], values: Mapping[str, str], where: str) -> Iterator[Rule]:
    value = f"{parts['link']}(?P<v>{values[row.get('value', 'code')]})"
    for locale, form in (("en", r"(?<![A-Za-z])(?:{})(?![a-z])"), ("zh", "(?:{})")):
        pattern = _compiled(form.format("|".join(strings(row, locale, where))) + value, "i", where, row)
        yield Rule(
            row["id"],
            row["type"],
            LABELLED,
            pattern,
            _check(row, where),
            None,
            int(row.get("digits", LEAST_DIGITS)),
            locale == "zh",
        )


def _named(named: Mapping[str, Any], link: str, where: str) -> list[Rule]:
    def rule(name: str, source: str, score: float, flags: str = "u") -> Rule:
        return Rule(name, "NAME", score, _compiled(source, flags, where, {"id": name}), None, None, 0)

    def either(key: str) -> str:
        return "|".join(strings(named, key, where))

    surname = "|".join(sorted(_surnames(named["surnames_zh"]), key=len, reverse=True))
    label = r"(?m)(?:^|(?<=[.;,|\t(] ?|\s\s))(?:{})\s*[:：]\s*(?P<v>(?:(?:Dr|Mr|Mrs|Ms|Prof)\.? )?{})"
    title = rf"\b(?:{either('titles_en')})\.? +(?P<v>(?-i:[A-Z])[a-zà-öø-ÿ'’]+(?:[- ](?-i:[A-Z])[\w'’]+)*|(?-i:[A-Z])\. ?(?-i:[A-Z])\w+)"
    titled = rf"(?:^|(?<=[^\u3400-\u9fff]|[找请由与和给是]))(?P<v>(?:{surname})[\u3400-\u9fff]{{0,2}}?)(?:{either('titles_zh')})(?![治学院室部科])"
    given = r"[^\W\da-zA-Z今昨日月年前后时天上下的了在是有]"
    clear = "|".join(s for s in surname.split("|") if s not in named["everyday_surnames_zh"])
    cued = rf"(?:{either('cued_zh')})(?P<v>(?:{clear}){given}{{1,2}})(?={named['after_zh']})"
    return [
        rule("姓氏提示", cued, 0.75),
        rule("name behind a label", label.format(either("en"), _NAME_EN), 0.9, "iu"),
        rule("name behind a weak label", label.format(either("weak_en"), _WEAK_NAME_EN), 0.9, "iu"),
        rule("name behind a title", title, 0.9),
        rule("initials and name", _INITIALS, 0.75),
        rule("姓名后", rf"(?:{either('zh')})\s*[:：]\s*(?P<v>{_NAME_ZH})", 0.9),
        rule("姓氏称谓", titled, 0.8),
    ]


def _surnames(text: str) -> Sequence[str]:
    single, *compound = text.split()
    return [*single, *compound]
