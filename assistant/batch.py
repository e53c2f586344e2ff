"""What the commands read from --batch files, and the bar that shows how far long work is."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer


def progress_bar(label: str) -> Any:
    """Wraps batches so that long work shows how far it is."""
    from tqdm import tqdm

    return lambda batches: tqdm(batches, desc=label, unit="batch", file=sys.stderr)


def rows(text: str | None, batch: Path | None) -> Iterable[dict[str, Any]]:
    """One row for `text`, or the rows of a JSONL file with a progress bar; a broken line is named."""
    if batch is None:
        if not text:
            raise typer.BadParameter("give a text, or --batch FILE.jsonl")
        return [{"text": text}]
    lines = [line for line in batch.read_text("utf-8").splitlines() if line.strip()]
    found: Iterable[dict[str, Any]] = progress_bar(batch.name)(_parsed(batch, lines))
    return found


def _parsed(batch: Path, lines: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if not isinstance(row["text"], str):
                raise TypeError("text")
            found.append(row)
        except (ValueError, KeyError, TypeError):
            raise typer.BadParameter(f"{batch}:{number}: expected a JSON object with a string `text`") from None
    return found
