"""What is said in the place of an answer, from `safety/policy/replies.yaml`."""

from functools import cache
from pathlib import Path

import yaml

from retrieval.types import LOCALES, Locale
from safety.types import PolicyError

POLICY = Path(__file__).parent / "policy"


@cache
def _replies(path: Path = POLICY / "replies.yaml") -> dict[str, dict[Locale, str]]:
    try:
        rows: dict[str, dict[Locale, str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
        lacking = [f"{key}.{locale}" for key, row in rows.items() for locale in LOCALES if not row[locale].strip()]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise PolicyError(f"{path}: expected key: {{en: text, zh: text}}; {error!r}") from error
    if lacking:
        raise PolicyError(f"{path}: empty texts: {', '.join(lacking)}")
    return rows


def reply(key: str, locale: Locale) -> str:
    """The text under `key`, one sentence a line. An unknown key raises KeyError."""
    return _replies()[key][locale].strip()
