"""Markdown by markdown-it: headings, paragraphs, lists and tables. A YAML head may give title, publisher, year and url."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from retrieval.readers.document import Document, Part, Unreadable, decoded, made, year_in

HEAD = re.compile(r"\A---\n(.*?)\n---\n", re.S)


def read(name: str, data: bytes) -> list[Document]:
    """The one document of a Markdown or plain text file. Raises Unreadable."""
    text = decoded(data).replace("\r\n", "\n")
    head = HEAD.match(text)
    try:
        about = yaml.safe_load(head[1]) if head else {}
    except yaml.YAMLError as error:
        raise Unreadable(f"its head is not YAML: {error}") from error
    about = about if isinstance(about, dict) else {}
    parts = list(_parts(text[head.end() :] if head else text))
    title = str(about.get("title") or next((part.heading for part in parts if part.heading), "") or name.rpartition("/")[2])
    given = {key: str(about[key]) for key in ("publisher", "url") if about.get(key)}
    return [made(name, title, parts, year=year_in(str(about.get("year", ""))), **given)]


def _parts(text: str) -> Iterator[Part]:
    from markdown_it import MarkdownIt

    heading, opened = "", ""
    lines: list[str] = []
    cells: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "heading_open":
            yield Part(heading, "\n".join(lines))
            lines, opened = [], "heading"
        elif token.type in ("th_open", "td_open"):
            opened = "cell"
        elif token.type == "inline":
            said = _plain(token)
            if opened == "heading":
                heading, opened = said, ""
            elif opened == "cell":
                cells.append(said)
                opened = ""
            else:
                lines.append(said)
        elif token.type == "tr_close":
            lines.append(" | ".join(cells) + ".")
            cells = []
        elif token.type in ("fence", "code_block"):
            lines.append(token.content)
    yield Part(heading, "\n".join(lines))


def _plain(token: Any) -> str:
    """The words of an inline token; markup and comments are left out, for nobody would see them."""
    return "".join(
        " " if child.type in ("softbreak", "hardbreak") else child.content
        for child in token.children or ()
        if child.type in ("text", "code_inline", "softbreak", "hardbreak")
    )
