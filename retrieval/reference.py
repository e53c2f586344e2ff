"""Reads the computable knowledge: `python -m retrieval.reference` checks the files in `knowledge/` and names the row of each fault."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import ValidationError

from retrieval.forms import Form, GeneDrug, InteractionRow, Lab, Medicine, Row, Vaccine
from retrieval.text import KNOWLEDGE
from retrieval.types import KnowledgeError

Found = TypeVar("Found", bound=Form)
FILES: dict[str, type[Row]] = {
    "formulary": Medicine, "interactions": InteractionRow, "labs": Lab, "pgx": GeneDrug, "immunisation": Vaccine,
}  # fmt: skip


def rows(form: type[Found], path: Path, named: bool = True) -> list[Found]:
    """The rows of a file; `named`: each has an id of its own. Raises KnowledgeError that names the row of each fault."""
    try:
        data = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise KnowledgeError(f"{path}: {error}") from error
    if not isinstance(data, list):
        raise KnowledgeError(f"{path}: expected a list of rows")
    found, faults = [], []
    for number, row in enumerate(data, 1):
        try:
            found.append(form.model_validate(row))
        except ValidationError as error:
            name = row.get("id", number) if isinstance(row, dict) else number
            faults += [f"{path}: {name}: {'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    ids = [getattr(row, "id", "") for row in found] if named else []
    faults += [f"{path}: {i}: the id stands twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    if faults:
        raise KnowledgeError("\n".join(faults))
    return found


def load(name: str, folder: Path = KNOWLEDGE) -> list[Any]:
    """The rows of formulary, interactions, labs, pgx or immunisation. Raises KnowledgeError."""
    return rows(FILES[name], folder / f"{name}.yaml")


def main(names: Iterable[str] = FILES) -> Literal[0, 1]:
    """Check the files; print one line a fault. Returns the exit status."""
    faults = 0
    for name in names:
        try:
            print(f"{name}: {len(load(name))} rows, no faults")
        except KnowledgeError as error:
            faults += 1
            print(error)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
