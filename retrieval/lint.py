"""What the words of a claim must keep to: a dose has a frequency, both languages have the same numbers."""

import re
from collections.abc import Iterator

from retrieval.types import Locale

_UNITS = r"(?:mg|mcg|micrograms?|µg|IU|units?|毫克|微克|单位|国际单位)"
_DOSE = re.compile(rf"\d\s?{_UNITS}(?!\s?/(?!kg|day|dose|天|日|次))", re.I)
_FREQUENCY: dict[Locale, re.Pattern[str]] = {
    "en": re.compile(
        r"\b(?:a|an|per|each|every|in|within)\s+(?:\w+\s+){0,2}(?:day|dose|night|week|month|hours?|minutes?|morning)|daily|"
        r"weekly|monthly|hourly|once|twice|single|times|one dose|doses|first dose|starting dose|loading|at a time|/day|/kg/day|tablets?|"
        r"injection|below|above|under|over|limit",
        re.I,
    ),
    "zh": re.compile(
        r"每[日天晚周月次\d隔]|一次|\d\s?次|[一两二三四]次|单次|顿服|起始|负荷|小时|即刻|注射|以下|以上|低于|超过|片|剂量"
    ),
}
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"[A-Za-z]+-?\d\w*|\b5-(?:HT|羟)\w*")  # HbA1c, COVID-19, kg/m2: digits that belong to a name
_WORD_NUMBERS = {
    "0": "zero none 零", "1": "one once single a an per each every first 一 单 每", "2": "two twice both second half 二 两 双 半 ½",
    "3": "three third 三", "4": "four quarter 四", "5": "five 五",
    "6": "six 六", "7": "seven week 七 周", "8": "eight 八", "9": "nine 九", "10": "ten 十", "11": "eleven 十一",
    "12": "twelve year 十二 年", "15": "quarter 刻", "24": "day daily 天 日", "60": "hour 小时", "100": "hundred 百",
}  # fmt: skip


def lint_claim(en: str, zh: str) -> Iterator[str]:
    """Each fault of a claim, in words. `en` and `zh` are its two texts."""
    texts: dict[Locale, str] = {"en": en, "zh": zh}
    for locale, text in texts.items():
        if _DOSE.search(text) and not _FREQUENCY[locale].search(text):
            yield f"the dose in {locale!r} has no frequency: {text!r}"
    if not re.search(r"[\u4e00-\u9fff]", zh):
        yield f"'zh' holds no Chinese: {zh!r}"
    for one, other, name in ((en, zh, "zh"), (zh, en, "en")):
        missing = [n for n in _NUMBER.findall(_NAME.sub("", one)) if not _says(other, n)]
        if missing:
            yield f"{', '.join(missing)} is missing from {name!r}"


def _says(text: str, number: str) -> bool:
    digits = {n.replace(",", "") for n in _NUMBER.findall(text)}
    value = number.replace(",", "")
    if value in digits or any(word in text.lower() for word in _WORD_NUMBERS.get(value, "").split()):
        return True
    # 10,000 is written 1万, and 150 million 1.5亿
    thousands = {f"{float(n) * k:g}" for n in digits if n.count(".") < 2 for k in (1e3, 1e4, 1e6, 1e8, 1e-4, 1e-3, 1e-6, 1e-8)}
    return (
        value.count(".") < 2
        and f"{float(value):g}" in thousands
        and bool(re.search(r"[万亿]|million|thousand|billion|000", text))
    )
