"""Finds files in folders and archives, and the reader of each by its ending."""

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.readers import html, jsonl, markdown, medquad, pdf
from retrieval.readers.document import LARGEST, Document, Unreadable

READERS: dict[str, Callable[[str, bytes], list[Document]]] = {
    ".md": markdown.read, ".markdown": markdown.read, ".txt": markdown.read, ".pdf": pdf.read, ".html": html.read,
    ".htm": html.read, ".xhtml": html.read, ".xml": medquad.read, ".jsonl": jsonl.read,
}  # fmt: skip
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")


@dataclass(frozen=True, slots=True)
class File:
    """A file that may be read: its name and a way to its bytes, or why it cannot be."""

    name: str
    load: Callable[[], bytes]

    def documents(self) -> list[Document]:
        """What it holds. Raises Unreadable."""
        data, reader = self.load(), READERS.get(Path(self.name).suffix.lower())
        if reader is None:
            raise Unreadable(f"files of this kind are not read; these are: {', '.join(READERS)}")
        try:
            return reader(self.name, data)
        except RecursionError as error:
            raise Unreadable("it is nested too deeply") from error


def find(paths: Iterable[Path]) -> Iterator[File]:
    """Every file under the paths, in order; a folder that links back to itself is entered once."""
    entered: set[tuple[int, int]] = set()
    for path in paths:
        if not path.exists():
            yield File(str(path), _failing("there is no such file or folder"))
        elif path.is_dir():
            yield from _folder(path, entered)
        else:
            yield from _file(path)


def _folder(folder: Path, entered: set[tuple[int, int]]) -> Iterator[File]:
    for here, inner, names in os.walk(folder, followlinks=True):
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in entered:
            inner.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        inner.sort()
        for name in sorted(names):
            if not name.startswith("."):
                yield from _file(Path(here) / name)


def _file(path: Path) -> Iterator[File]:
    if not path.is_file():
        yield File(str(path), _failing("not a plain file, or a link to nothing"))
    elif path.stat().st_size > LARGEST:
        yield File(str(path), _failing(f"larger than {LARGEST:,} bytes: split it"))
    elif path.name.lower().endswith(ARCHIVES):
        try:
            yield from (_zip if path.suffix.lower() == ".zip" else _tar)(path)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            yield File(str(path), _failing(f"the archive is broken: {error!r}"))
    else:
        yield File(str(path), path.read_bytes)


def _tar(path: Path) -> Iterator[File]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.size <= LARGEST:
                opened = archive.extractfile(member)
                data = opened.read() if opened else b""
                yield File(f"{path}/{member.name}", _given(data))


def _zip(path: Path) -> Iterator[File]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir() and member.file_size <= LARGEST:
                data = archive.read(member)
                yield File(f"{path}/{member.filename}", _given(data))


def _given(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _failing(why: str) -> Callable[[], bytes]:
    def load() -> bytes:
        raise Unreadable(why)

    return load
