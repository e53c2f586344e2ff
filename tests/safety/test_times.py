"""Ages and durations: any numeral gets a value, none ends the reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.times import ages, durations, number, severities

NUMERALS = "一二两三四五六七八九十半几百零0123456789. "
UNITS = [
    "分钟",
    "小时",
    "天",
    "个月",
    "年",
    "岁",
    "周岁",
    "周",
    "星期",
    "晚",
    "半",
    "多",
    "前",
    "minutes",
    "hours",
    "weeks",
    "years old",
    "yo",
    "of",
    "and a half",
    "a",
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("三四十", 30),
        ("十", 10),
        ("二十", 20),
        ("三十五", 35),
        ("两", 2),
        ("两三", 2),
        ("十几", 10),
        ("半", 0.5),
        ("37.5", 37.5),
    ],
)
def test_a_numeral_has_its_value_and_a_range_its_lower_end(text: str, value: float) -> None:
    assert number(text) == value


def test_thirty_odd_minutes_are_half_an_hour() -> None:
    assert [span.value for span in durations("胸口疼了三四十分钟")] == [30]


@given(st.lists(st.one_of(st.text(NUMERALS, max_size=4), st.sampled_from(UNITS)), max_size=8).map("".join))
def test_any_heap_of_numerals_and_units_is_read(text: str) -> None:
    for span in (*ages(text), *durations(text), *severities(text)):
        assert 0 <= span.start < span.end <= len(text)
