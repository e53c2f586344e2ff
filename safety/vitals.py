"""Vital signs in a message, with their units, and weeks of pregnancy. Text must be normalised."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

VitalName = Literal[
    "systolic", "diastolic", "heart_rate", "spo2", "temperature", "glucose", "respiratory_rate", "pregnancy_weeks"
]


@dataclass(frozen=True, slots=True)
class Vital:
    """A measured value. Units: mmHg, beats or breaths a minute, %, °C, mmol/L, weeks."""

    name: VitalName
    value: float
    start: int
    end: int


_N = r"(\d{1,3}(?:\.\d{1,2})?)"
_TO = r"(?:(?!血压|心跳|心率|体温|血糖|血氧|\bbp|pulse|heart|temp|sugar|sats|oxygen)[^\d.!?;\n]){0,18}?"  # a few words between the name of a measure and its number
_BP = re.compile(r"(?<![\d/.])(\d{2,3})(?: ?/ ?| over |比)(\d{2,3})(?![\d/])")
_BP_WORD = re.compile(r"bp|reading|blood pressure|mm ?hg|血压|高压|pressure")
_SIMPLE: tuple[tuple[VitalName, re.Pattern[str], float, float], ...] = (
    ("systolic", re.compile(rf"(?:systolic|收缩压|高压|top number){_TO}{_N}"), 40, 300),
    ("systolic", re.compile(rf"(?:\bbp|blood pressure|血压){_TO}{_N}(?![\d/%]| ?/| over)"), 40, 300),
    ("diastolic", re.compile(rf"(?:diastolic|舒张压|低压|bottom number){_TO}{_N}"), 20, 200),
    (
        "heart_rate",
        re.compile(rf"(?:heart ?rate|\bpulse|\bhr\b|心率|心跳|脉搏|heart (?:is )?(?:beating|racing)){_TO}{_N}"),
        20,
        300,
    ),
    ("heart_rate", re.compile(rf"{_N} ?(?:bpm|beats)"), 20, 300),
    (
        "spo2",
        re.compile(rf"(?:sp[o0]2|\bsats?\b|saturation|oxygen(?: level)?s?|\bo2\b|pulse ox|血氧(?:饱和度)?|氧饱和){_TO}{_N}"),
        40,
        100,
    ),
    (
        "respiratory_rate",
        re.compile(rf"(?:resp(?:iratory)? rate|\brr\b|呼吸(?:频率)?){_TO}{_N}(?= ?(?:次|/|a min|per|$|[,.]))"),
        4,
        120,
    ),
    ("respiratory_rate", re.compile(rf"{_N} breaths"), 4, 120),
    ("pregnancy_weeks", re.compile(r"(\d{1,2})(?: ?\+ ?\d)? ?(?:weeks?|wks?|w) ?(?:pregnant|preg\b|gestation|along)"), 2, 43),
    (
        "pregnancy_weeks",
        re.compile(r"(?:pregnant|pregnancy)[^\d.!?;\n]{0,12}?(\d{1,2})(?: ?\+ ?\d)? ?(?:weeks?|wks?|w\b)"),
        2,
        43,
    ),
    (
        "pregnancy_weeks",
        re.compile(
            r"(?<!for )(?<!past )(?<!last )(?<![\d.])([1-4]\d)(?: ?\+ ?\d)? ?(?:weeks?|wks?)(?=,|\.| and| with| today|$)(?! and (?:still|it|no))"
        ),
        10,
        43,
    ),
    ("pregnancy_weeks", re.compile(r"(?:^|[,。;])\s*([1-4]\d)(?: ?\+ ?\d)? ?周(?=[,，。+])"), 10, 43),
    ("pregnancy_weeks", re.compile(r"(?:怀孕|孕|妊娠)[^\d。!?;\n]{0,3}?(\d{1,2})(?: ?\+ ?\d)? ?周"), 2, 43),
)
_GLUCOSE = re.compile(rf"(?:glucose|\bsugars?|\bbgl?|\bbm\b|血糖){_TO}{_N}(?: ?(mg ?/ ?dl|mg|mmol|毫摩尔))?|{_N} ?(mg ?/ ?dl)")
_TEMPERATURE = re.compile(
    r"(?:(?P<word>temp(?:erature)?s?|thermometer|fever(?:ish)?(?: of)?|体温|发烧|高烧|发热|烧到|高热|低烧|烧)[^\d.!?;\n]{0,14}?)?"
    r"(?<![\d./])(?P<n>\d{2,3}(?:\.\d)?)(?:度(?P<tenth>\d)(?!\d))?"
    r" ?(?P<unit>degrees? ?[cf]?\b|deg|°? ?c\b|°? ?f\b|°|度|摄氏度)?(?P<after> ?(?:temp|fever))?(?![\d/%]|\.\d)"
)
_BARE_FEVER = re.compile(
    r"\s*(?:$|[,;!?。]|\.(?!\d)|and\b|with\b|since\b|but\b|after\b|this\b|last\b)"
)  # "38.8 since last night"


def vitals(text: str) -> list[Vital]:
    """Vital signs in the text, converted (°F to °C, mg/dL to mmol/L); values that cannot be true are dropped."""
    found = [*_pressures(text), *_simple(text), *_glucose(text), *_temperatures(text)]
    return sorted(set(found), key=lambda vital: (vital.start, vital.name))


def _pressures(text: str) -> Iterator[Vital]:
    for match in _BP.finditer(text):
        high, low = float(match[1]), float(match[2])
        named = _BP_WORD.search(text, max(0, match.start() - 40), match.end() + 16)
        if 50 <= high <= 300 and 20 <= low < high and (named or (high >= 160 and low >= 80)):
            yield Vital("systolic", high, *match.span())
            yield Vital("diastolic", low, *match.span())


def _simple(text: str) -> Iterator[Vital]:
    for name, pattern, low, high in _SIMPLE:
        for match in pattern.finditer(text):
            if low <= float(match[1]) <= high:
                yield Vital(name, float(match[1]), *match.span())


def _glucose(text: str) -> Iterator[Vital]:
    for match in _GLUCOSE.finditer(text):
        value, unit = float(match[1] or match[3]), match[2] or match[4] or ""
        if unit.startswith("mg") or (not unit and value > 35):
            value = round(value / 18.0, 1)
        if 0.3 <= value <= 80:
            yield Vital("glucose", value, *match.span())


def _temperatures(text: str) -> Iterator[Vital]:
    for match in _TEMPERATURE.finditer(text):
        value = float(match["n"]) + (float(match["tenth"]) / 10 if match["tenth"] else 0)
        unit, named = (match["unit"] or "").strip(), bool(match["word"] or match["after"])
        if unit.endswith("f") or (93 <= value <= 113 and named):
            value = round((value - 32) / 1.8, 1)
        elif not unit and not named and not _bare_fever(text, match, value):
            continue
        if 35 <= value <= 43.5 or (20 <= value < 35 and match["word"] and match["word"].startswith(("temp", "体温"))):
            yield Vital("temperature", value, *match.span())


def _bare_fever(text: str, match: re.Match[str], value: float) -> bool:
    """A number with one decimal that stands alone, as people write a temperature; not one that has another name."""
    named = re.search(
        r"(?:sugar|glucose|weigh|hba1c|血糖|体重|bmi|inr|糖化)[^,.;。]{0,15}$", text[max(0, match.start() - 30) : match.start()]
    )
    return 38 <= value <= 42 and "." in match["n"] and not named and bool(_BARE_FEVER.match(text, match.end()))


_TEST = re.compile(r"(\w+) ?(<=|>=|<|>) ?(\d+(?:\.\d+)?)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def vital_test(text: str) -> Callable[[Vital], bool] | None:
    """What "spo2 < 92" asks of a vital sign; None where the text is not such a test."""
    match = _TEST.fullmatch(text.strip())
    if not match or match[1] not in VitalName.__args__:  # type: ignore[attr-defined]
        return None
    name, compare, limit = match[1], _COMPARE[match[2]], float(match[3])
    return lambda vital: vital.name == name and compare(vital.value, limit)
