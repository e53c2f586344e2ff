"""JSON lines: one document a line, `{"title", "text", "publisher"?, "year"?, "url"?, "id"?}`, or `parts: [{heading, text, page?}]`."""

import json
from typing import Any

from retrieval.readers.document import Document, Part, Unreadable, decoded, made


def read(name: str, data: bytes) -> list[Document]:
    """The documents of a file. Raises Unreadable, which names the first line that is wrong."""
    found = []
    for number, line in enumerate(decoded(data).splitlines(), 1):
        if line.strip():
            try:
                found.append(_document(f"{name}:{number}", json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise Unreadable(f"line {number}: expected {{title, text}} or {{title, parts}}: {error!r}") from error
    if not found:
        raise Unreadable("it holds no line")
    return found


def _document(name: str, row: dict[str, Any]) -> Document:
    parts = row["parts"] if "parts" in row else [{"heading": "", "text": row["text"]}]
    year = row.get("year")
    if year is not None and not (isinstance(year, int) and 1950 <= year <= 2100):
        raise ValueError(f"year {year!r} is not a year from 1950 to 2100")
    return made(
        str(row.get("id") or name), str(row["title"]), [Part(str(p.get("heading", "")), str(p["text"]), p.get("page")) for p in parts],
        publisher=str(row.get("publisher", "")), year=year, url=row.get("url"),
    )  # fmt: skip
