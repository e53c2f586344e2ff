"""Telephone numbers for the page: what becomes a link that dials."""

import re
from functools import cache
from typing import Any

from retrieval.types import Locale
from safety.cards import Cards


@cache
def _cards() -> Cards:
    return Cards.load()


def call_for(country: str | None, locale: Locale, *, crisis: bool) -> dict[str, Any]:
    """`{ambulance: "120" | None, lines: [{name, phone, url}]}` of `knowledge/helplines.yaml`; an unknown country: no number."""
    lines = _cards().numbers(locale, country)
    ambulance = re.match(r"\d+", lines.ambulance[locale])
    wanted = lines.crisis if crisis else ()
    return {"ambulance": ambulance.group() if ambulance else None, "lines": [_line(text[locale]) for text in wanted]}


def _line(text: str) -> dict[str, str | None]:
    phone = re.match(r"[\d\s+-]*\d", text)
    site = re.match(r"[\w.-]+\.(?:com|org|net)", text)
    name = re.search(r"[(（](.+)[)）]", text)
    return {
        "name": name.group(1) if name else text,
        "phone": phone.group().strip() if phone else None,
        "url": f"https://{site.group()}" if site else None,
    }
