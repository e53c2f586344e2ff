"""Reads what an evaluation runs on: JSONL files, row by row. A row that cannot be read is named, never dropped in silence."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from retrieval.text import is_chinese
from retrieval.types import Locale
from safety.types import PatientContext

FORM = "expected .jsonl files, one JSON object a line; docs/eval.md lists the fields of each suite"
_LOCALES: dict[str, Locale] = {"en": "en", "eng": "en", "english": "en", "zh": "zh", "zho": "zh", "chi": "zh", "cmn": "zh", "cn": "zh",
                               "chinese": "zh", "mandarin": "zh", "中文": "zh", "汉语": "zh", "英文": "en"}  # fmt: skip
_SEXES: dict[str, Literal["female", "male"]] = {"female": "female", "f": "female", "woman": "female", "girl": "female", "女": "female",
                                                "male": "male", "m": "male", "man": "male", "boy": "male", "男": "male"}  # fmt: skip
_TRUE, _FALSE = ("true", "yes", "1", "y", "是"), ("false", "no", "0", "n", "否", "", "unknown", "none")
_YEARS = {"y": 1.0, "岁": 1.0, "m": 1 / 12, "个": 1 / 12, "月": 1 / 12, "w": 7 / 365.25, "周": 7 / 365.25, "d": 1 / 365.25, "天": 1 / 365.25}  # fmt: skip
_AGE = re.compile(r"\s*(\d+(?:\.\d+)?)[\s-]*(y|m|w|d|岁|个|月|周|天)?[^\d]*", re.I)
Raw = dict[str, Any]
Row = TypeVar("Row")


class EvalError(Exception):
    """An evaluation cannot run; the text holds the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is in no figure, and why. `where` is file:line."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Row]):
    """The rows of a suite, what could not be read, and the files they came from."""

    rows: list[Row]
    skipped: list[Skipped]
    files: list[dict[str, Any]] = field(default_factory=list)  # file, rows, sha256


def load(place: Path, parse: Callable[[Raw, str], Row]) -> Loaded[Row]:
    """The rows of a .jsonl file, or of all such files below a folder. `parse` gets a row and "file:line" and raises ValueError.

    Raises EvalError when there is no file, or no row that can be read.
    """
    found: Loaded[Row] = Loaded([], [])
    for path in _files(place):
        data = path.read_bytes()
        lines = [(n, line) for n, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1) if line.strip()]
        found.files.append({"file": path.name, "rows": len(lines), "sha256": hashlib.sha256(data).hexdigest()})
        for number, line in lines:
            where = f"{path.relative_to(place) if place.is_dir() else path.name}:{number}"
            try:
                found.rows.append(parse(_object(line), where))
            except ValueError as error:
                found.skipped.append(Skipped(where, str(error)))
    if not found.rows:
        first = "".join(f"\n  {bad.where}: {bad.why}" for bad in found.skipped[:5])
        raise EvalError(f"{str(place)!r} holds no row that can be read; {FORM}{first}")
    return found


def _files(place: Path) -> Sequence[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise EvalError(f"{str(place)!r} is neither a folder nor a file; {FORM}")
    paths = sorted(path for path in place.rglob("*") if path.is_file() and path.suffix.lower() in (".jsonl", ".ndjson"))
    if not paths:
        raise EvalError(f"{str(place)!r} holds no .jsonl file; {FORM}")
    return paths


def _object(line: bytes) -> Raw:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    except (RecursionError, ValueError) as error:
        raise ValueError(f"not JSON that can be read: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"a JSON {type(row).__name__}, expected an object")
    return row


def text_of(row: Raw, *names: str) -> str:
    """The first of these fields that is there. Raises ValueError unless it is a string with something in it."""
    name = next((name for name in names if row.get(name) is not None), None)
    if name is None:
        raise ValueError(f"no field {names[0]!r}")
    if not isinstance(row[name], str) or not row[name].strip():
        raise ValueError(f"{name!r} is {row[name]!r:.40}, expected a text")
    return str(row[name])


def plain(value: Any) -> str:
    """A label as it is compared: lower case, one underscore between words."""
    return re.sub(r"[\s_/-]+", "_", str(value).strip().lower()).strip("_")


def label_of(row: Raw, known: dict[str, str], name: str = "label") -> str:
    """What the label means. Raises ValueError that lists the labels that are known."""
    if row.get(name) is None:
        raise ValueError(f"no field {name!r}")
    found = known.get(plain(row[name]))
    if found is None:
        raise ValueError(
            f"{name} {row[name]!r:.60} is unknown; known are {', '.join(dict.fromkeys(known.values()))}; docs/eval.md lists their synonyms"
        )
    return found


def locale_of(row: Raw, text: str) -> Locale:
    """What the row says (`locale`, `lang` or `language`), else the language of the text."""
    said = next((row[name] for name in ("locale", "lang", "language") if row.get(name)), None)
    if said is None:
        return "zh" if is_chinese(text) else "en"
    found = _LOCALES.get(str(said).strip().lower()) or _LOCALES.get(re.split(r"[-_]", str(said).strip().lower())[0])
    if found is None:
        raise ValueError(f"locale {said!r} is unknown; use 'en' or 'zh', or leave it out")
    return found


def patient_of(row: Raw) -> PatientContext:
    """`age`, `sex` and `pregnant`, where they are given. Raises ValueError naming the field."""
    return PatientContext(_age(row.get("age", row.get("age_years"))), _sex(row.get("sex", row.get("gender"))), _pregnant(row))


def _age(value: Any) -> float | None:
    if value is None or plain(value) in ("", "unknown", "none"):
        return None
    match = None if isinstance(value, bool) else _AGE.fullmatch(str(value))
    age = float(match[1]) * _YEARS[(match[2] or "y").lower()] if match else -1.0
    if not 0 <= age <= 130:
        raise ValueError(f"age {value!r} cannot be read; use years (42), or a text such as '6 weeks'")
    return age


def _sex(value: Any) -> Literal["female", "male"] | None:
    return None if value is None else _SEXES.get(plain(value))


def _pregnant(row: Raw) -> bool | None:
    value = row.get("pregnant")
    if value is None:
        return None
    if plain(value) in _TRUE:
        return True
    if plain(value) in _FALSE:
        return None if plain(value) in ("", "unknown", "none") else False
    raise ValueError(f"pregnant {value!r} cannot be read; use true or false")
