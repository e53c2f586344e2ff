"""PDF by pdfplumber: text under its headings (larger or bold lines), tables by row, each part with its page."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from retrieval.readers.document import Document, Part, Unreadable, made, year_in

LARGER = 1.12  # times the size of the body: a heading
LONGEST_HEADING = 120  # characters
EDGE = 0.09  # share of the page at its top and bottom where running heads and page numbers stand


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page; `size` in points."""

    text: str
    page: int
    size: float
    bold: bool
    edge: bool
    table: bool = False


def read(name: str, data: bytes) -> list[Document]:
    """The one document of a PDF. Raises Unreadable when it is broken, locked or only pictures."""
    import pdfplumber

    try:
        with pdfplumber.open(BytesIO(data)) as pdf:
            pages = len(pdf.pages)
            about = {str(key): str(value) for key, value in (pdf.metadata or {}).items()}
            lines = [line for page in pdf.pages for line in _lines(page)]
    except Exception as error:  # a parser of other people's files raises whatever it meets
        kind = "it is locked by a password" if "assword" in repr(error) else "the PDF is broken"
        raise Unreadable(f"{kind}: {type(error).__name__}") from error
    if not any(line.text.strip() for line in lines):
        raise Unreadable(f"its {pages} pages hold no text, only pictures: run it through OCR first")
    kept = without_running_heads(lines, pages)
    title = about.get("Title", "").strip() or next((line.text for line in kept if not line.table), "")
    return [made(name, title, parts(kept), year=year_in(about.get("ModDate") or about.get("CreationDate")))]


def _lines(page: Any) -> Iterator[Line]:
    tables = page.find_tables()
    boxes = [table.bbox for table in tables]

    def outside(thing: Any) -> bool:
        return not any(
            box[0] <= (thing["x0"] + thing["x1"]) / 2 <= box[2] and box[1] <= (thing["top"] + thing["bottom"]) / 2 <= box[3]
            for box in boxes
        )

    for row in (page.filter(outside) if boxes else page).extract_text_lines():
        sizes = Counter(round(char["size"], 1) for char in row["chars"])
        bold = sum("bold" in char["fontname"].lower() for char in row["chars"]) > len(row["chars"]) / 2
        edge = row["top"] < EDGE * page.height or row["bottom"] > (1 - EDGE) * page.height
        yield Line(row["text"], page.page_number, sizes.most_common(1)[0][0], bold, edge)
    for table in tables:
        for cells in table.extract():
            said = " | ".join(re.sub(r"\s+", " ", cell).strip() for cell in cells if cell and cell.strip())
            if said:
                yield Line(said + ".", page.page_number, 0.0, False, False, table=True)
    page.close()  # else a long document stays in memory whole


def without_running_heads(lines: Sequence[Line], pages: int) -> list[Line]:
    """Leaves out lines at the edge of a page that, numbers aside, stand on at least half of the pages, and lone page numbers."""
    seen = Counter(key for key in {(line.page, _worn(line.text)) for line in lines if line.edge})
    often = Counter(worn for _, worn in seen)
    return [
        line
        for line in lines
        if not (line.edge and (not _worn(line.text) or (pages > 2 and often[_worn(line.text)] >= pages / 2)))
    ]


def _worn(text: str) -> str:
    return re.sub(r"[\d\W_]+", " ", text).strip().lower()


def parts(lines: Sequence[Line]) -> Iterator[Part]:
    """Runs of lines under their heading, one for each page that they stand on."""
    weights = Counter[float]()
    for line in lines:
        if not line.table:
            weights[line.size] += len(line.text)
    body = weights.most_common(1)[0][0] if weights else 0.0
    heading, page, said = "", 0, ""
    for line in lines:
        if is_heading(line, body):
            yield Part(heading, said, page or None)
            heading, page, said = line.text, line.page, ""
        elif line.page == page:
            said = f"{said}\n{line.text}" if line.table else _joined(said, line.text)
        elif said and not _ended(said):  # a sentence that goes on overleaf stays whole, on the page where it began
            said = _joined(said, line.text)
            if _ended(said):
                yield Part(heading, said, page)
                page, said = line.page, ""
        else:
            yield Part(heading, said, page or None)
            page, said = line.page, line.text
    yield Part(heading, said, page or None)


def is_heading(line: Line, body: float) -> bool:
    """Whether a line is larger than the body, or bold and short, and no sentence."""
    short = len(line.text) <= LONGEST_HEADING and not line.text.rstrip().endswith((".", "。", "；", ";", ",", "，"))
    return (
        short and not line.table and (line.size >= LARGER * body or (line.bold and len(line.text) <= 80 and line.size >= body))
    )


def _ended(text: str) -> bool:
    return text.rstrip().endswith((".", "!", "?", "。", "！", "？", ":", "："))


def _joined(text: str, line: str) -> str:
    """A word that was hyphenated at the end of a line is put together again."""
    if re.search(r"[a-z]-$", text) and re.match(r"[a-z]", line):
        return text[:-1] + line
    return f"{text} {line}" if text else line
