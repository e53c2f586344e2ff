"""Writes the card that stands in the place of an answer: what to do now, meanwhile, and whom to call, by country."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.types import LOCALES, Locale
from safety.policy_files import Located, at, mapping, read_yaml
from safety.rules import Rule
from safety.types import PolicyError

HELPLINES_PATH = Path(__file__).parent.parent / "knowledge" / "helplines.yaml"
CARDS_PATH = Path(__file__).parent / "policy" / "cards.yaml"

TEMPLATES = (
    "call_self", "call_other", "call_danger", "urgent", "attempt_self", "attempt_other", "warm_self", "warm_other", "plan_self",
    "plan_other", "abuse_self", "abuse_other", "others", "helplines", "helpline", "no_helpline", "danger", "danger_one", "ask_self",
    "ask_other", "ask_abuse", "also_crisis", "helper_stay", "helper_means",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Helplines:
    """Numbers of one country, ready to be said in either language."""

    ambulance: Mapping[Locale, str]
    police: Mapping[Locale, str]
    crisis: tuple[Mapping[Locale, str], ...]
    abuse: tuple[Mapping[Locale, str], ...]
    child: tuple[Mapping[Locale, str], ...]
    poison: tuple[Mapping[Locale, str], ...]


class Cards:
    """The templates and helplines, loaded once."""

    def __init__(self, templates: Mapping[str, Mapping[Locale, str]], helplines: Mapping[str, Helplines]) -> None:
        self.templates = templates
        self.helplines = helplines

    @classmethod
    def load(cls, cards: Path = CARDS_PATH, helplines: Path = HELPLINES_PATH) -> "Cards":
        """Reads both files. Raises PolicyError naming file and line."""
        data = read_yaml(cards)
        texts = {key: _both(data, key, str(cards)) for key in TEMPLATES}
        lines = read_yaml(helplines)
        countries = mapping(lines, "countries", str(helplines))
        if "international" not in countries:
            raise PolicyError(f"{helplines}:{at(countries)}: 'international' is missing; it is the fallback")
        return cls(texts, {code: _country(spec, code, str(helplines)) for code, spec in countries.items()})

    def write(self, rules: tuple[Rule, ...], locale: Locale, other: bool, country: str | None) -> str:
        """The card for rules sorted most serious first, one sentence a line."""
        lines = self.numbers(locale, country)
        first = rules[0]
        crisis = [rule for rule in rules if rule.kind == "crisis"]
        if first.kind == "crisis":
            return "\n".join(self._crisis(first, rules, locale, other, lines))
        out = [self._say(self._call(first, other), locale, ambulance=lines.ambulance[locale])]
        out += [rule.reason[locale] for rule in rules if rule.kind == first.kind][:2]
        out += _meanwhile([rule for rule in rules if rule.kind == first.kind], locale)
        if crisis:
            out += [self._say("also_crisis", locale), *self._numbers(lines.crisis, locale)]
        return "\n".join(out)

    def call(self, reasons: list[str], locale: Locale, country: str | None) -> str:
        """A card without a red flag of its own: whom to call and why, one sentence a line."""
        return "\n".join(
            (self._say("call_self", locale, ambulance=self.numbers(locale, country).ambulance[locale]), *reasons[:2])
        )

    def _call(self, rule: Rule, other: bool) -> str:
        if rule.kind == "urgent":
            return "urgent"
        return "call_other" if other else "call_self"

    def _crisis(self, first: Rule, rules: tuple[Rule, ...], locale: Locale, other: bool, lines: Helplines) -> list[str]:
        who = "other" if other else "self"
        opening = {"attempt": f"attempt_{who}", "plan": f"plan_{who}", "abuse": f"abuse_{who}", "others": "others"}
        out = [self._say(opening.get(first.grade, f"warm_{who}"), locale, ambulance=lines.ambulance[locale])]
        emergencies = [rule for rule in rules if rule.kind == "emergency"]
        if first.grade != "attempt" and emergencies:
            out.append(self._say(f"call_{who}", locale, ambulance=lines.ambulance[locale]))
        if other and first.grade in ("ideation", "plan", "attempt"):  # what one who helps can do, not what one does oneself
            out += [self._say("helper_stay", locale), self._say("helper_means", locale), *_meanwhile(emergencies, locale)]
        else:
            out += _meanwhile([first, *emergencies], locale)
        abuse = first.grade == "abuse"
        numbers = lines.crisis
        if abuse:
            numbers = (*lines.child, *lines.abuse) if first.id == "child-abuse" else lines.abuse or lines.crisis
        out += self._numbers(numbers, locale)
        danger = "danger" if lines.police != lines.ambulance else "danger_one"
        out.append(self._say(danger, locale, ambulance=lines.ambulance[locale], police=lines.police[locale]))
        out.append(self._say("ask_abuse" if abuse else f"ask_{who}", locale))
        return out

    def _numbers(self, numbers: tuple[Mapping[Locale, str], ...], locale: Locale) -> list[str]:
        if not numbers:
            return [self._say("no_helpline", locale)]
        return [self._say("helpline", locale, number=number[locale]) for number in numbers[:2]]

    def _say(self, key: str, locale: Locale, **values: str) -> str:
        return self.templates[key][locale].format(**values)

    def numbers(self, locale: Locale, country: str | None) -> Helplines:
        code = (country or ("CN" if locale == "zh" else "international")).upper()
        return self.helplines.get(code, self.helplines["international"])


def _meanwhile(rules: list[Rule], locale: Locale) -> list[str]:
    lines: list[str] = []
    for rule in rules:
        for advice in rule.meanwhile:
            if advice[locale] not in lines and len(lines) < 4:
                lines.append(advice[locale])
    return lines


def _both(data: Mapping[str, Any], key: str, where: str) -> Mapping[Locale, str]:
    texts = data.get(key)
    if not isinstance(texts, Located) or set(texts) != set(LOCALES) or not all(isinstance(t, str) for t in texts.values()):
        raise PolicyError(f"{where}:{at(texts) or at(data)}: {key!r} needs a text in en and zh, got {texts!r}")
    return {locale: texts[locale] for locale in LOCALES}


def _country(spec: Any, code: str, where: str) -> Helplines:
    if not isinstance(spec, Located) or not {"ambulance", "police", "crisis", "source", "date"} <= set(spec):
        raise PolicyError(f"{where}:{at(spec)}: {code!r} needs ambulance, police, crisis, source and date, got {spec!r}")
    return Helplines(
        _both(spec, "ambulance", where),
        _both(spec, "police", where),
        *(_numbers_of(spec, key, where) for key in ("crisis", "abuse", "child", "poison")),
    )


def _numbers_of(spec: Located, key: str, where: str) -> tuple[Mapping[Locale, str], ...]:
    numbers = spec.get(key, [])
    if not isinstance(numbers, list):
        raise PolicyError(f"{where}:{spec.line}: {key!r} must be a list, got {numbers!r}")
    return tuple(_both({"number": number}, "number", where) for number in numbers)
