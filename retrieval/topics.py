"""Reads and validates the guideline topics in `knowledge/topics/*.yaml`.

`python -m retrieval.topics [FILE...]` checks files and names the line of each fault.
The form is described in `knowledge/README.md`.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from retrieval.lint import lint_claim
from retrieval.text import KNOWLEDGE
from retrieval.types import Claim, KnowledgeError, Locale, Source

SECTIONS = (
    "overview", "symptoms", "causes", "self_care", "get_help.emergency", "get_help.urgent", "get_help.routine",
    "diagnosis", "clinician", "medicines", "special_groups", "prevention",
)  # fmt: skip

Kebab = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=400)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SourceRow(_Row):
    publisher: Annotated[str, StringConstraints(min_length=2, max_length=200)]
    title: Text
    year: int = Field(ge=1950, le=2100)
    updated: int | None = Field(default=None, ge=1950, le=2100)
    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    country: Country | None = None


class ClaimRow(_Row):
    id: Kebab
    en: Text
    zh: Text
    source: list[str] = Field(min_length=1)
    country: Country | None = None


class GetHelp(_Row):
    emergency: list[ClaimRow] = Field(min_length=1)
    urgent: list[ClaimRow] = Field(min_length=1)
    routine: list[ClaimRow] = Field(min_length=1)


class Names(_Row):
    en: list[str] = Field(min_length=1)
    zh: list[str] = Field(min_length=1)


class TitleRow(_Row):
    en: Annotated[str, StringConstraints(min_length=2)]
    zh: Annotated[str, StringConstraints(min_length=1)]


class TopicFile(_Row):
    id: Kebab
    title: TitleRow
    names: Names
    icd10: list[str] = Field(min_length=1)
    reviewed_on: date
    review_due: date
    sources: dict[Kebab, SourceRow] = Field(min_length=1)
    overview: list[ClaimRow] = Field(min_length=1)
    symptoms: list[ClaimRow] = []
    causes: list[ClaimRow] = []
    self_care: list[ClaimRow] = []
    get_help: GetHelp
    diagnosis: list[ClaimRow] = []
    clinician: list[ClaimRow] = []
    medicines: list[ClaimRow] = []
    special_groups: list[ClaimRow] = []
    prevention: list[ClaimRow] = []

    def rows(self) -> Iterator[tuple[str, tuple[str | int, ...], ClaimRow]]:
        """(section, path in the file, row) of every claim, in reading order."""
        for section in SECTIONS:
            path: tuple[str, ...] = tuple(section.split("."))
            rows = getattr(self.get_help, path[1]) if len(path) == 2 else getattr(self, section)
            for number, row in enumerate(rows):
                yield section, (*path, number), row


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its names in both languages and its claims by section."""

    id: str
    title: dict[Locale, str]
    names: dict[Locale, tuple[str, ...]]
    reviewed_on: date
    review_due: date
    sections: dict[str, tuple[Claim, ...]]


def load_topics(folder: Path = KNOWLEDGE / "topics") -> list[Topic]:
    """Every topic in `folder`, sorted by id. Raises KnowledgeError that names file and line of each fault."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise KnowledgeError(f"no topic files in {folder!s}: expected *.yaml in the form of knowledge/README.md")
    return [load_topic(path) for path in paths]


def load_topic(path: Path) -> Topic:
    """One topic. Raises KnowledgeError with all faults of the file, one a line."""
    lines: dict[tuple[str | int, ...], int] = {}
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        faults: list[tuple[int, str]] = []
        data = _plain(node, (), lines, faults)
        if not isinstance(data, dict):
            raise KnowledgeError(f"{path}:1: not a mapping of keys; see knowledge/README.md for the form")
        file = TopicFile.model_validate(data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise KnowledgeError(f"{path}:{mark.line + 1 if mark else 1}: not YAML: {error}") from error
    except ValidationError as error:
        faults += [(_line(lines, e["loc"]), f"{'/'.join(map(str, e['loc']))}: {e['msg']}") for e in error.errors()]
        raise _knowledge_error(path, faults) from error
    faults += [(_line(lines, where), text) for where, text in _lint(file, path)]
    if faults:
        raise _knowledge_error(path, faults)
    return _topic(file)


def _knowledge_error(path: Path, faults: list[tuple[int, str]]) -> KnowledgeError:
    return KnowledgeError("\n".join(f"{path}:{line}: {text}" for line, text in sorted(faults)))


def _plain(node: Any, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], faults: list[Any]) -> Any:
    """The YAML node as plain Python; fills `lines` with the line of every path and `faults` with repeated keys."""
    lines[path] = node.start_mark.line + 1 if node is not None else 1
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key, value in node.value:
            if key.value in out:
                faults.append((key.start_mark.line + 1, f"{key.value!r} stands twice; keep one"))
            out[key.value] = _plain(value, (*path, key.value), lines, faults)
            lines[(*path, key.value)] = key.start_mark.line + 1
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, number), lines, faults) for number, item in enumerate(node.value)]
    return yaml.CSafeLoader("").construct_object(node) if node is not None else None


def _line(lines: dict[tuple[str | int, ...], int], where: tuple[str | int, ...]) -> int:
    while where not in lines:
        where = where[:-1]
    return lines[where]


def _lint(file: TopicFile, path: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if file.id != path.stem:
        yield ("id",), f"id {file.id!r} differs from the file's name {path.stem!r}"
    if file.review_due <= file.reviewed_on:
        yield ("review_due",), f"review_due {file.review_due} is not after reviewed_on {file.reviewed_on}"
    seen: set[str] = set()
    used: set[str] = set()
    for section, where, row in file.rows():
        if f"{section}#{row.id}" in seen:
            yield where, f"claim id {row.id!r} stands twice in {section}"
        seen.add(f"{section}#{row.id}")
        used.update(row.source)
        yield from (
            (where, f"claim {row.id!r} cites {key!r}, which sources: lacks") for key in row.source if key not in file.sources
        )
        yield from ((where, f"claim {row.id!r}: {text}") for text in lint_claim(row.en, row.zh))
    yield from ((("sources", key), f"source {key!r} is cited by no claim") for key in file.sources if key not in used)


def _topic(file: TopicFile) -> Topic:
    sources = {key: _source(key, row) for key, row in file.sources.items()}
    sections: dict[str, list[Claim]] = {section: [] for section in SECTIONS}
    for section, _, row in file.rows():
        cited = tuple(sources[key] for key in row.source)
        texts: dict[Locale, str] = {"en": row.en, "zh": row.zh}
        sections[section].append(Claim(f"{file.id}/{section}#{row.id}", texts, cited, row.country))
    return Topic(
        file.id,
        {"en": file.title.en, "zh": file.title.zh},
        {"en": tuple(file.names.en), "zh": tuple(file.names.zh)},
        file.reviewed_on,
        file.review_due,
        {section: tuple(claims) for section, claims in sections.items() if claims},
    )


def _source(key: str, row: SourceRow) -> Source:
    return Source(key, row.publisher, row.title, row.updated or row.year, row.url, row.country)


def main(arguments: list[str]) -> Literal[0, 1]:
    """Validate files; print one line a fault. Returns the exit status."""
    paths = [Path(a) for a in arguments] or sorted((KNOWLEDGE / "topics").glob("*.yaml"))
    faults = 0
    for path in paths:
        try:
            topic = load_topic(path)
        except (KnowledgeError, OSError) as error:
            faults += 1
            print(error)
        else:
            print(f"{path}: {sum(map(len, topic.sections.values()))} claims, no faults")
    return 1 if faults or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
