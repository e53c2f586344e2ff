"""Ages, durations and severities that a message gives. Text must be normalised."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from safety.vitals import vitals


@dataclass(frozen=True, slots=True)
class Span:
    """An age in years or a duration in minutes, with its place in the text."""

    value: float
    start: int
    end: int


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
    r"|(?:\b(?:aged?|im|i am|is|hes|shes) )(?P<n3>\d{1,3})(?= ?(?:years?\b(?! (?:ago|later))|yrs?\b|,|\.(?!\d)|$|m\b|f\b|and|with|yo\b|male|female))"
    r"|(?<![\d.])(?P<n4>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)[ -](?P<u4>day|week|wk|month|mo|year|yr)s?[ -](?:old )?(?:baby|infant|newborn|son|daughter|boy|girl|toddler|kid|child)"
    r"|(?P<z>\d{1,3}(?:\.5)?|[一二两三四五六七八九十半]{1,3})(?:多)?(?P<zu>周岁|岁)"
    r"|(?P<z2>\d{1,2}|[一二两三四五六七八九十]{1,2})个?多?(?P<zu2>月|周|天)(?:大|的(?:宝宝|婴儿|孩子|娃|小孩))"
    r"|(?:宝宝|婴儿|孩子|娃|女儿|儿子|新生儿|出生|小孩|(?:^|[,。!?;\n他她])(?:才|刚))(?:现在|今年|目前|刚刚|刚|才|满|出生|生下来|已经|有|快|大概|约|是|,| ){0,3}(?P<z3>\d{1,2}|[一二两三四五六七八九十]{1,2})(?:个多?(?P<zu3>月)|(?P<zu4>天)(?=[^了前后没]))"
    r"|(?P<z5>\d{1,2}|[一二两三四五六七八九十]{1,2})个多?月(?:的)?(?=宝宝|婴儿|孩子|娃|女儿|儿子|小孩)"
    r"|(?:\bmy |\b)(?P<n5>\d{1,2}) ?(?:year|yr)s?[ -]?old"
)
_MEASURED = re.compile(  # "his temperature is 39," tells no age
    r"(?:temp|fever|pulse|rate|pressure|bp|sats?|spo2|oxygen|sugar|glucose|bmi|weight|level|score|count|reading|thermometer)[a-z]* is$"
)
_EXPECTING = re.compile(
    r"pregnan|gestation|trimester|\b(?:im|i am|shes|she is|currently|at) \d\d ?(?:\+ ?\d )?(?:weeks|wks)|孕"
)
_DURATION = re.compile(
    r"(?P<n>\d{1,3}(?:\.\d)?|an?|one|two|three|four|five|six|seven|eight|nine|ten|half an?)(?P<half> and an? half)? ?(?P<u>min(?:ute)?s?|hours?|hrs?|days?|nights?|weeks?|months?|years?)\b(?P<half2> and an? half)?"
    r"|(?P<z>\d{1,3}(?:\.\d)?|[一二两三四五六七八九十]{1,3})个(?P<zhalf>半)(?P<zu2>小时|钟头|星期|月)"
    r"|(?P<z3>\d{1,3}(?:\.\d)?|[一二两三四五六七八九十半]{1,3})个?(?:多)?(?P<zu>分钟|小时|钟头|天|周|星期|月|年)(?P<zhalf2>半(?!夜|天|年))?"
    r"|(?<![周期拜初号])(?P<z4>\d{1,2}|[一二两三四五六七八九十]{1,2})个?(?P<zu3>晚|夜)"
)
_OFTEN = re.compile(r"(?:once|twice|thrice|times?|(?:\d+|one|two|three|four|five|six|few|several|many|more|much) ?[a-z]+) $")
_EVERY = re.compile(r"every (?:other )?$|\bper $|[每隔]$")
_TIMES_ZH = re.compile(r"[^,。;!?]{0,4}?(?:\d+|[一二两三四五六七八九十几好多]+)(?:次|回|片|粒|颗|包|顿|瓶|支|杯|遍|趟|斤|两)")
_SINCE_CHILDHOOD = 5_256_000.0
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
    (re.compile(r"(?:a )?couple (?:of )?(?:days|nights)|day before yesterday|前天|这两天|两三天"), 2_880),
    (
        re.compile(r"(?:a )?few (?:days|nights)|several (?:days|nights)|for days|这几天|好几天|几天了|(?:好)?几个?(?:晚|夜)"),
        5_760,
    ),
    (re.compile(r"(?:since )?last week|上周|上个星期|上星期"), 10_080),
    (re.compile(r"(?:a )?couple (?:of )?weeks"), 20_160),
    (re.compile(r"(?:a )?few weeks|several weeks|for weeks|好几周|几个星期"), 30_240),
    (re.compile(r"(?:a )?(?:few|couple of) months|several months|for months|好几个月|几个月"), 129_600),
    (re.compile(r"(?:a )?few years|several years|for years|好几年|几年了|多年|长期"), 1_576_800),
    (
        re.compile(
            r"since (?:my |early )*childhood|since (?:i|he|she) (?:was|were) (?:a )?(?:child|kid|little|born|baby)|从小|自幼|打小"
        ),
        _SINCE_CHILDHOOD,
    ),
)
_SEVERITY = re.compile(
    r"(?<![\d/.])(?P<n>10|\d(?:\.5)?) ?(?:/|out of|over) ?(?:10|ten)(?!\d)|(?:疼痛|疼|痛|评分|程度)[^\d。!?;\n]{0,6}(?P<z>10|\d)(?: ?分|级)"
)
_MINUTES = {"min": 1, "hou": 60, "hrs": 60, "hr": 60, "day": 1440, "nig": 1440, "wee": 10080, "mon": 43200, "yea": 525600}
_ZH_MINUTES = {
    "分钟": 1,
    "小时": 60,
    "钟头": 60,
    "天": 1440,
    "晚": 1440,
    "夜": 1440,
    "周": 10080,
    "星期": 10080,
    "月": 43200,
    "年": 525600,
}


def number(text: str) -> float:
    """A numeral in digits, English or Chinese (up to 99); 1 for "a"."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    if text in _EN_DIGIT:
        return float(_EN_DIGIT[text])
    if text.startswith("half") or text == "半":
        return 0.5
    text = text.rstrip("几多") or text  # 十几: ten at least
    if text and all(char in _ZH_DIGIT for char in text):
        tens, _, ones = text.partition("十")
        if "十" in text:
            return 10 * (_ZH_DIGIT[tens[0]] if tens else 1) + (_ZH_DIGIT[ones[0]] if ones else 0)  # of 三四十 the lower
        return float(_ZH_DIGIT[text[0]])
    return 1.0


def ages(text: str) -> list[Span]:
    """Ages in years that the text gives."""
    return [span for span in _spans(text, _AGE, _age_in_years, 120) if not _measured(text, span.start)]


def _measured(text: str, start: int) -> bool:
    """Whether the number that starts here ("is 39") has another name before it."""
    return text.startswith("is ", start) and bool(_MEASURED.search(text[max(0, start - 30) : start + 2]))


def _age_in_years(match: re.Match[str]) -> float:
    groups = {key: value for key, value in match.groupdict().items() if value}
    value = number(next(groups[key] for key in ("n", "n2", "n3", "n4", "n5", "z", "z2", "z3", "z5") if key in groups))
    unit = next((groups[key] for key in ("u", "u2", "u4", "zu", "zu2", "zu3", "zu4") if key in groups), "y")
    if "z5" in groups:
        unit = "月"
    return value * (_YEARS.get(unit) or _YEARS[unit[0]])


def _frequency(text: str, span: Span) -> bool:
    """Whether the words tell how often, not how long: "twice a week", "一天三次"."""
    words = text[span.start : span.end]
    if words.startswith(("a ", "an ")):
        return bool(_OFTEN.search(text[max(0, span.start - 24) : span.start]))
    if _EVERY.search(text[max(0, span.start - 6) : span.start]):
        return True
    return words[0] in "一1" and bool(_TIMES_ZH.match(text, span.end))


def durations(text: str) -> list[Span]:
    """Durations in minutes that the text gives, roughly where it gives them in words ("since yesterday")."""
    ages_at = [(span.start, span.end) for span in ages(text)]
    if _EXPECTING.search(text):
        ages_at += [(vital.start, vital.end) for vital in vitals(text) if vital.name == "pregnancy_weeks"]
    found = [
        span
        for span in _spans(text, _DURATION, _minutes, 60_000_000)
        if not any(start < span.end and span.start < end for start, end in ages_at) and not _frequency(text, span)
    ]
    for pattern, value in _SINCE:
        for match in pattern.finditer(text):
            if not any(span.start < match.end() and match.start() < span.end for span in found):
                found.append(Span(value, *match.span()))
    recent = [span for span in found if span.value != _SINCE_CHILDHOOD]  # what one has had as a child may have come back
    return sorted(recent or found, key=lambda span: span.start)


def severities(text: str) -> list[Span]:
    """Severities of 0 to 10 that the text gives ("7/10", "疼痛8分")."""
    return [Span(min(10.0, float(match["n"] or match["z"])), *match.span()) for match in _SEVERITY.finditer(text)]


def _minutes(match: re.Match[str]) -> float:
    if match["u"]:
        half = 0.5 if match["half"] or match["half2"] else 0.0  # "a month and a half"
        return (number(match["n"].split()[0]) + half) * _MINUTES[match["u"][:3]]
    half = 0.5 if match["zhalf"] or match["zhalf2"] else 0.0  # 一个半月, 一年半
    value = number(match["z"] or match["z3"] or match["z4"]) + half
    return value * _ZH_MINUTES[match["zu"] or match["zu2"] or match["zu3"]]


def _spans(text: str, pattern: re.Pattern[str], read: Callable[[re.Match[str]], float], most: float) -> Iterator[Span]:
    for match in pattern.finditer(text):
        value = read(match)
        if 0 < value <= most:
            yield Span(value, *match.span())
