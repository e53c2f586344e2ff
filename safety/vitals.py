"""Numbers in a message: vital signs with their units, ages, weeks of pregnancy, durations. Text must be normalised."""

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


@dataclass(frozen=True, slots=True)
class Span:
    """An age in years or a duration in minutes, with its place in the text."""

    value: float
    start: int
    end: int


_N = r"(\d{1,3}(?:\.\d{1,2})?)"
_TO = r"(?:(?!血压|心跳|心率|\bbp|pulse|heart)[^\d.!?;\n]){0,18}?"  # a few words between the name of a measure and its number
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
_ZH_DIGIT = {c: i for i, c in enumerate("零一二三四五六七八九十")} | {"两": 2, "半": 0.5}
_EN_DIGIT = {
    w: i
    for i, w in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
}
_YEARS = {"y": 1.0, "m": 1 / 12, "w": 1 / 52, "d": 1 / 365, "岁": 1.0, "周岁": 1.0, "月": 1 / 12, "周": 1 / 52, "天": 1 / 365}
_AGE = re.compile(
    r"(?<![\d.])(?P<n>\d{1,3}(?:\.5)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)[ -]?"
    r"(?P<u>y(?:ea)?rs?|mo(?:nth)?s?|w(?:ee)?ks?|days?|y/?o)[ -]?(?:old\b|/?o\b|of age)"
    r"|(?<![\d.])(?P<n2>\d{1,3})(?P<u2>y)[ /]?o?(?![a-z])"
    r"|(?:\b(?:aged?|im|i am|is|hes|shes) )(?P<n3>\d{1,3})(?= ?(?:years?\b(?! (?:ago|later))|yrs?\b|,|\.|$|m\b|f\b|and|with|yo\b|male|female))"
    r"|(?<![\d.])(?P<n4>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)[ -](?P<u4>day|week|wk|month|mo|year|yr)s?[ -](?:old )?(?:baby|infant|newborn|son|daughter|boy|girl|toddler|kid|child)"
    r"|(?P<z>\d{1,3}(?:\.5)?|[一二两三四五六七八九十半]{1,3})(?:多)?(?P<zu>周岁|岁)"
    r"|(?P<z2>\d{1,2}|[一二两三四五六七八九十]{1,2})个?多?(?P<zu2>月|周|天)(?:大|的(?:宝宝|婴儿|孩子|娃|小孩))"
    r"|(?:宝宝|婴儿|孩子|娃|女儿|儿子|新生儿|出生|才|刚)(?:(?![这那前近后几])[^\d。!?;\n]){0,3}?(?P<z3>\d{1,2}|[一二两三四五六七八九十]{1,2})(?:个多?(?P<zu3>月)|(?P<zu4>天)(?=[^了前后没]))"
    r"|(?P<z5>\d{1,2}|[一二两三四五六七八九十]{1,2})个多?月(?:的)?(?=宝宝|婴儿|孩子|娃|女儿|儿子|小孩)"
    r"|(?:\bmy |\b)(?P<n5>\d{1,2}) ?(?:year|yr)s?[ -]?old"
)
_DURATION = re.compile(
    r"(?P<n>\d{1,3}(?:\.\d)?|an?|one|two|three|four|five|six|seven|eight|nine|ten|half an?) ?(?P<u>min(?:ute)?s?|hours?|hrs?|days?|weeks?|months?|years?)\b"
    r"|(?P<z>\d{1,3}(?:\.\d)?|[一二两三四五六七八九十半]{1,3})个?(?:多)?(?P<zu>分钟|小时|钟头|天|周|星期|月|年)"
)
_SINCE: tuple[tuple[re.Pattern[str], float], ...] = (  # words that tell a duration roughly, in minutes
    (re.compile(r"just now|a moment ago|this minute|刚才|刚刚"), 15),
    (
        re.compile(
            r"(?:since )?(?:this (?:morning|afternoon|evening)|earlier today|today|tonight)|今天|今早|今晚|今儿|早上起来"
        ),
        360,
    ),
    (re.compile(r"(?:since )?last night|overnight|昨晚|昨夜|夜里开始"), 720),
    (re.compile(r"(?:since )?yesterday|昨天|昨日"), 1_440),
    (re.compile(r"(?:a )?couple (?:of )?days|day before yesterday|前天|这两天|两三天"), 2_880),
    (re.compile(r"(?:a )?few days|several days|for days|这几天|好几天|几天了"), 5_760),
    (re.compile(r"(?:since )?last week|上周|上个星期|上星期"), 10_080),
    (re.compile(r"(?:a )?couple (?:of )?weeks"), 20_160),
    (re.compile(r"(?:a )?few weeks|several weeks|for weeks|好几周|几个星期"), 30_240),
    (re.compile(r"(?:a )?(?:few|couple of) months|several months|for months|好几个月|几个月"), 129_600),
    (re.compile(r"(?:a )?few years|several years|for years|好几年|几年了|多年|长期"), 1_576_800),
)
_SEVERITY = re.compile(
    r"(?<![\d/.])(?P<n>10|\d(?:\.5)?) ?(?:/|out of|over) ?(?:10|ten)(?!\d)|(?:疼痛|疼|痛|评分|程度)[^\d。!?;\n]{0,6}(?P<z>10|\d)(?: ?分|级)"
)
_MINUTES = {"min": 1, "hou": 60, "hrs": 60, "hr": 60, "day": 1440, "wee": 10080, "mon": 43200, "yea": 525600}
_ZH_MINUTES = {"分钟": 1, "小时": 60, "钟头": 60, "天": 1440, "周": 10080, "星期": 10080, "月": 43200, "年": 525600}


def number(text: str) -> float:
    """A numeral in digits, English or Chinese (up to 99); 1 for "a"."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    if text in _EN_DIGIT:
        return float(_EN_DIGIT[text])
    if text.startswith("half") or text == "半":
        return 0.5
    if text and all(char in _ZH_DIGIT for char in text):
        tens, _, ones = text.partition("十")
        if "十" in text:
            return 10 * (_ZH_DIGIT[tens] if tens else 1) + (_ZH_DIGIT[ones[0]] if ones else 0)
        return float(_ZH_DIGIT[text[0]])
    return 1.0


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


def ages(text: str) -> list[Span]:
    """Ages in years that the text gives."""
    return list(_spans(text, _AGE, _age_in_years, 120))


def _age_in_years(match: re.Match[str]) -> float:
    groups = {key: value for key, value in match.groupdict().items() if value}
    value = number(next(groups[key] for key in ("n", "n2", "n3", "n4", "n5", "z", "z2", "z3", "z5") if key in groups))
    unit = next((groups[key] for key in ("u", "u2", "u4", "zu", "zu2", "zu3", "zu4") if key in groups), "y")
    if "z5" in groups:
        unit = "月"
    return value * (_YEARS.get(unit) or _YEARS[unit[0]])


def durations(text: str) -> list[Span]:
    """Durations in minutes that the text gives, roughly where it gives them in words ("since yesterday")."""
    ages_at = [(span.start, span.end) for span in ages(text)]
    found = [
        span
        for span in _spans(text, _DURATION, _minutes, 60_000_000)
        if not any(start < span.end and span.start < end for start, end in ages_at)
    ]
    for pattern, value in _SINCE:
        for match in pattern.finditer(text):
            if not any(span.start < match.end() and match.start() < span.end for span in found):
                found.append(Span(value, *match.span()))
    return sorted(found, key=lambda span: span.start)


def severities(text: str) -> list[Span]:
    """Severities of 0 to 10 that the text gives ("7/10", "疼痛8分")."""
    return [Span(min(10.0, float(match["n"] or match["z"])), *match.span()) for match in _SEVERITY.finditer(text)]


def _minutes(match: re.Match[str]) -> float:
    if match["u"]:
        return number(match["n"].split()[0]) * _MINUTES[match["u"][:3]]
    return number(match["z"]) * _ZH_MINUTES[match["zu"]]


def _spans(text: str, pattern: re.Pattern[str], read: Callable[[re.Match[str]], float], most: float) -> Iterator[Span]:
    for match in pattern.finditer(text):
        value = read(match)
        if 0 < value <= most:
            yield Span(value, *match.span())


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
