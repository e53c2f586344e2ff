"""Tests that a number must pass beside its form: check digits, calendars, and what stands around it.

Each takes the text and the span and gives whether it may be what its pattern looks for. Sources: GB 11643-1999 (ISO 7064
MOD 11-2), ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN, MOD 97-10), ISO 3779 with 49 CFR 565 (VIN).
"""

import re
from collections.abc import Callable
from datetime import date
from ipaddress import ip_address

Check = Callable[[str, int, int], bool]

_VIN = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_UNIT_AFTER = re.compile(
    r"\s*(?:mg|mcg|µg|μg|ug|ml|l\b|dl|kg|g\b|iu|units?|copies|cells?|cfu|mmol|meq|kcal|steps|people|patients|万|亿|个|元|美元|单位|步|人|例|拷贝|/)",
    re.I,
)
_COUNT_BEFORE = re.compile(
    r"(?:wbc|rbc|platelets?|plt|leu[ck]ocytes?|neutrophils?|count|units?|copies|viral load|cd4|score|\$|€|£|¥|rmb|usd"
    r"|nct|pmid|pmc|doi|isbn|icd|cpt|hcpcs|snomed|loinc|cas|trial|grant|chictr|白细胞|红细胞|血小板|计数|拷贝|病毒载量|载量|国药准字[a-z]?|剂量|金额|共计)\D{0,12}$",
    re.I,
)
_UNIT_ENDING = re.compile(r"\d(?:ML|MG|IU|KG|MCG|KM|AM|PM|MM|CM|HZ|USD|RMB)$")
_SMALL_WORDS = frozenset(re.findall(r"\w+", "the a an of to in on for and or per my your with from by at down up mg ml"))
_TIMES = frozenset(("days", "weeks", "years", "months", "hours", "miles", "over", "more"))
_STREETS_IN_SMALL = frozenset(("street", "avenue", "ave", "road", "rd", "lane", "boulevard", "blvd", "st", "drive"))


def luhn(text: str, start: int, end: int) -> bool:
    """Whether the digits are 13 to 19 and their Luhn sum is a multiple of ten."""
    digits = [int(c) for c in text[start:end] if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 2


def chinese_id(text: str, start: int, end: int) -> bool:
    """Whether the eighteenth character checks the seventeen before it and the birthday exists."""
    value = text[start:end].upper()
    total = sum(int(c) * w for c, w in zip(value, _ID_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == value[17] and _exists(int(value[6:10]), int(value[10:12]), int(value[12:14]))


def iban(text: str, start: int, end: int) -> bool:
    """Whether the international account number leaves 1 when divided by 97."""
    value = re.sub(r"\s", "", text[start:end]).upper()
    return 15 <= len(value) <= 34 and int("".join(str(int(c, 36)) for c in value[4:] + value[:4])) % 97 == 1


def vin(text: str, start: int, end: int) -> bool:
    """Whether the ninth character checks the vehicle number, or it mixes letters and digits behind the word VIN."""
    value = text[start:end]
    total = sum((_VIN.get(c) or int(c)) * w for c, w in zip(value, _VIN_WEIGHTS, strict=True) if c.isdigit() or c in _VIN)
    return "0123456789X"[total % 11] == value[8] and not value.isdigit() and not value.isalpha()


def ip(text: str, start: int, end: int) -> bool:
    """Whether it is an address, and not a version number."""
    try:
        ip_address(text[start:end])
    except ValueError:
        return False
    return not re.search(r"(?:version|ver\.?|v|section|release|版本)\s*$", text[:start][-12:], re.I)


def year_month_day(text: str, start: int, end: int) -> bool:
    """Whether year, month and day are on the calendar."""
    year, month, day = (int(n) for n in re.findall(r"\d+", text[start:end])[:3])
    return _exists(year, month, day)


def day_month(text: str, start: int, end: int) -> bool:
    """Whether the first two numbers can be a day and a month in either order."""
    first, second = (int(n) for n in re.findall(r"\d+", text[start:end])[:2])
    return (1 <= first <= 12 and 1 <= second <= 31) or (1 <= first <= 31 and 1 <= second <= 12)


def compact_date(text: str, start: int, end: int) -> bool:
    """Whether eight digits are a day on the calendar."""
    value = text[start:end].strip()
    return _exists(int(value[:4]), int(value[4:6]), int(value[6:8]))


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return 1850 <= year <= 2150


def street(text: str, start: int, end: int) -> bool:
    """Whether the words between number and kind of street are written like a name."""
    words = re.findall(r"[A-Za-z][\w'’.-]*", text[start:end])
    named = [w for w in words[1:] if w[0].isupper()] if words else []
    small = any(w in _SMALL_WORDS | _TIMES for w in words)
    return (
        bool(words)
        and not small
        and ((words[0][0].isupper() and bool(named)) or any(w.lower() in _STREETS_IN_SMALL for w in words))
    )


def chinese_address(text: str, start: int, end: int) -> bool:
    """Whether there is a house number or the name of a town with the road."""
    value = text[start:end]
    return bool(re.search(r"\d|[市区县镇乡村]|[一二三四五六七八九十百]+号", value)) and not re.search(
        r"[走一思线电网通]路$|[，。、]", value
    )


def handle(text: str, start: int, end: int) -> bool:
    """Whether it is an account's name and not a word: it has a sign or digit, or follows a Chinese label."""
    return not text[start:end].isalpha() or bool(re.search(r"[\u3400-\u9fff]\W*$", text[:start]))


def not_measure(text: str, start: int, end: int) -> bool:
    """Whether nothing around the number says that it counts or measures something, or names a publication."""
    value = text[start:end]
    if value.replace("-", "").isdigit() and "-" in value and value.count("-") == 1 and len(value) < 10:
        return False
    if value[:3] in ("NCT", "PMC", "ICD", "ISO", "GSE") or value.startswith(("PMID", "ISBN", "COVID", "ISRCT", "CHICT")):
        return False
    after, before = _UNIT_AFTER.match(text, end), _COUNT_BEFORE.search(text[max(0, start - 40) : start])
    return not (after or before or _UNIT_ENDING.search(value) or re.fullmatch(r"\d+0{5,}", value))


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        luhn,
        chinese_id,
        iban,
        vin,
        ip,
        year_month_day,
        day_month,
        compact_date,
        street,
        chinese_address,
        handle,
        not_measure,
    )
}
