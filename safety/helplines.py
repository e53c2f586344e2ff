from typing import Any

from retrieval.types import Locale


def call_for(country: str | None, locale: Locale, *, crisis: bool) -> dict[str, Any] | None:
    return None
