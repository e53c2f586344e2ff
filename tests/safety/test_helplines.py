"""Numbers become links that dial; the page's own table says the same as the data."""

import re
from pathlib import Path

import pytest
import yaml

from safety.helplines import call_for

ROOT = Path(__file__).parent.parent.parent
COUNTRIES = yaml.safe_load((ROOT / "knowledge" / "helplines.yaml").read_text("utf-8"))["countries"]


@pytest.mark.parametrize(
    ("country", "locale", "ambulance"),
    [
        ("CN", "zh", "120"),
        ("US", "en", "911"),
        ("GB", "en", "999"),
        (None, "zh", "120"),
        (None, "en", None),
        ("XX", "en", None),
    ],
)
def test_the_ambulance_number_is_that_of_the_country(country, locale, ambulance) -> None:  # type: ignore[no-untyped-def]
    assert call_for(country, locale, crisis=False) == {"ambulance": ambulance, "lines": []}


def test_a_crisis_gets_lines_with_a_name_and_a_number() -> None:
    lines = call_for("US", "en", crisis=True)["lines"]
    assert lines[0]["phone"] == "988"
    assert "Crisis" in lines[0]["name"]
    assert call_for(None, "en", crisis=True)["lines"][0]["url"] == "https://findahelpline.com"


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_country_has_its_numbers_in_both_languages(country: str) -> None:
    for locale in ("en", "zh"):
        call = call_for(country, locale, crisis=True)
        assert call["lines"], country
        assert country == "international" or call["ambulance"]
        assert all(line["phone"] or line["url"] for line in call["lines"]) or country == "GB"


def test_the_page_has_the_same_ambulance_numbers() -> None:
    script = (ROOT / "assistant" / "web" / "call.js").read_text("utf-8")
    page = dict(re.findall(r'([A-Z]{2}): "(\d+)"', script))
    for country, row in COUNTRIES.items():
        if country != "international":
            assert page.get(country) == re.match(r"\d+", row["ambulance"]["en"]).group(), country  # type: ignore[union-attr]
