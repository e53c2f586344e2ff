"""`doctor ingest`: a site's own documents, taken into its library or out of it."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.settings import Settings
from retrieval.types import Locale

SHOWN = 40  # reasons that are printed; --json has all


def ingest(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files, folders, archives; none: list what is in.")] = None,
    publisher: Annotated[str, typer.Option(help="Named where a document does not say whose it is.")] = "This organisation",
    trusted: Annotated[bool, typer.Option(help="Do not look for instructions hidden in the text: you have read it.")] = False,
    remove: Annotated[list[str] | None, typer.Option(help="A document to take out, by the name that the list shows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Add your own guidelines: Markdown, text, PDF, HTML, MedQuAD XML, JSONL. Goes on where it was cut off."""
    from retrieval.embed import Bilingual
    from retrieval.library import SiteLibrary

    settings = Settings()
    shelf = SiteLibrary.at(settings.data_dir / "library", settings.chroma_url, Bilingual())
    if remove:
        shelf.forget(remove)
    body = taken(paths, shelf, publisher, trusted) if paths else {"documents": [asdict(e) for e in shelf.manifest.entries()]}
    print(json.dumps(body, ensure_ascii=False) if as_json else said(body), flush=True)


def taken(paths: list[Path], shelf: Any, publisher: str, trusted: bool) -> dict[str, Any]:
    from retrieval.ingest import ingest as take
    from retrieval.readers.files import find
    from safety.documents import hidden_instruction
    from safety.guard import Guard

    guard = Guard()

    def scan(text: str, locale: Locale) -> str:
        return "" if trusted else hidden_instruction(text, locale, guard)

    total = sum(1 for _ in find(paths))
    report = take(bar(find(paths), total), shelf, scan, publisher)
    return {**asdict(report), "in_library": len(shelf)}


def bar(files: Iterable[Any], total: int) -> Iterable[Any]:
    from tqdm import tqdm

    shown: Iterable[Any] = tqdm(files, desc="ingest", total=total, unit="file", file=sys.stderr)
    return shown


def said(body: dict[str, Any]) -> str:
    """A report or a list, for reading."""
    if "documents" in body:
        rows = [
            f"{d['state']:12} {d['passages']:5} passages  {d['locale']}  {d['name']}  {d['why']}" for d in body["documents"]
        ]
        return "\n".join(rows) or "nothing yet: doctor ingest FILE..."
    lines = [
        f"{body['added']} documents added ({body['passages']} passages), {body['unchanged']} unchanged, "
        f"{body['copies']} passages left out as copies, {len(body['skipped'])} skipped, {len(body['quarantined'])} of them in quarantine",
        *(f"  {name}: {why}" for name, why in body["skipped"][:SHOWN]),
    ]
    more = len(body["skipped"]) - SHOWN
    return "\n".join(
        [*lines, *([f"  … and {more} more: --json lists all"] if more > 0 else []), "Restart the server to search them."]
    )
