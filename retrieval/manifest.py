"""What was taken into a site's library, in SQLite: a document counts as in only when all of it is."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["in", "quarantined"]
TABLES = """
create table if not exists document (
  name text primary key, key text not null, digest text not null, title text not null, locale text not null,
  state text not null, passages integer not null, why text not null);
create table if not exists passage (digest text primary key, name text not null);
create index if not exists passage_name on passage (name);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One document as the library knows it. Its passages are `key`/text#1, #2 … up to `passages`."""

    name: str
    key: str
    digest: str  # of its text and title: a changed document is read anew
    title: str
    locale: str
    state: State
    passages: int
    why: str = ""  # why it stands in quarantine


class Manifest:
    """Raises sqlite3.Error when the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, check_same_thread=False)
        self._base.executescript("pragma journal_mode=wal;" + TABLES)

    def entry(self, name: str) -> Entry | None:
        row = self._base.execute("select * from document where name = ?", (name,)).fetchone()
        return Entry(*row) if row else None

    def entries(self) -> list[Entry]:
        """All documents, by name."""
        return [Entry(*row) for row in self._base.execute("select * from document order by name")]

    def owner(self, digest: str) -> str | None:
        """The document that holds a passage of this text."""
        row = self._base.execute("select name from passage where digest = ?", (digest,)).fetchone()
        return str(row[0]) if row else None

    def record(self, entries: Iterable[tuple[Entry, Iterable[str]]]) -> None:
        """Documents with the digests of their passages, all or none of them."""
        with self._base:
            for entry, digests in entries:
                self._base.execute("delete from passage where name = ?", (entry.name,))
                self._base.execute(
                    "insert or replace into document values (?,?,?,?,?,?,?,?)",
                    (entry.name, entry.key, entry.digest, entry.title, entry.locale, entry.state, entry.passages, entry.why),
                )
                self._base.executemany(
                    "insert or ignore into passage values (?,?)", [(digest, entry.name) for digest in digests]
                )

    def forget(self, name: str) -> None:
        with self._base:
            self._base.execute("delete from passage where name = ?", (name,))
            self._base.execute("delete from document where name = ?", (name,))

    def close(self) -> None:
        self._base.close()
