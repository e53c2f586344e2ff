"""Web pages by Beautiful Soup: the main text under its headings, tables by row. What a reader of the page cannot see is left out."""

import re
from collections.abc import Iterator
from typing import Any

from retrieval.readers.document import Document, Part, Unreadable, made, year_in

DROPPED = ("script", "style", "nav", "header", "footer", "aside", "form", "noscript", "template", "iframe", "svg", "button")
BLOCKS = ("p", "li", "dt", "dd", "blockquote", "pre", "figcaption", "caption")
UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])", re.I)


def read(name: str, data: bytes) -> list[Document]:
    """The one document of a page. Raises Unreadable."""
    from bs4 import BeautifulSoup, Comment

    if not data.strip():
        raise Unreadable("the file is empty")
    page = BeautifulSoup(data, "html.parser")
    about = _about(page)
    for node in page.find_all(DROPPED):
        node.decompose()
    for node in page.find_all(_unseen):
        node.decompose()
    for comment in page.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    body = page.find("main") or page.find("article") or page.body or page
    top = page.find("h1")
    title = (top.get_text(" ") if top else "") or about.pop("title") or name.rpartition("/")[2]
    about.pop("title", None)
    return [made(name, title, _parts(body), **about)]


def _about(page: Any) -> dict[str, Any]:
    def meta(*names: str) -> str | None:
        found = page.find("meta", attrs={"name": names}) or page.find("meta", attrs={"property": names})
        return str(found["content"]) if found and found.get("content") else None

    link = page.find("link", rel="canonical")
    return {
        "title": page.title.get_text(" ") if page.title else "",
        "publisher": meta("og:site_name", "publisher", "DC.publisher", "author") or "",
        "year": year_in(meta("article:modified_time", "article:published_time", "date", "DC.date", "last-modified")),
        "url": str(link["href"]) if link and str(link.get("href", "")).startswith("http") else None,
    }


def _unseen(node: Any) -> bool:
    return bool(node.has_attr("hidden") or node.get("aria-hidden") == "true" or UNSEEN.search(str(node.get("style") or "")))


def _parts(body: Any) -> Iterator[Part]:
    heading, lines = "", list[str]()
    for node in body.find_all([*(f"h{n}" for n in range(1, 7)), *BLOCKS, "tr", "div"]):
        if node.name[0] == "h" and node.name != "hr":
            yield Part(heading, "\n".join(lines))
            heading, lines = node.get_text(" "), []
        elif node.name == "tr":
            lines.append(" | ".join(cell.get_text(" ", strip=True) for cell in node.find_all(["th", "td"])) + ".")
        elif node.name == "div":
            lines.append(" ".join(node.find_all(string=True, recursive=False)))  # text that stands in no paragraph
        elif not node.find_parent([*BLOCKS, "tr"]):
            lines.append(" ".join(node.stripped_strings))
    yield Part(heading, "\n".join(line for line in lines if line.strip()))
