"""What an evaluation found, as tables in the terminal and as one self-contained page: no script, no request to anywhere."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from finetune.charts import Chart, svg
from finetune.eval_rows import Skipped
from retrieval.text import is_chinese

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#57606a;--line:#d0d7de;--head:#f3f5f7;--accent:#0b5cad;--warn:#8a3b00}
@media(prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e8ebee;--soft:#aab4be;--line:#39424c;--head:#1e242b;--accent:#7fbcff;--warn:#ffb37a}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
main{max-width:62rem;margin:0 auto;padding:1rem}h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.25rem;margin:2rem 0 .5rem}
.scroll{overflow-x:auto;margin:1rem 0}.scroll:focus-visible{outline:3px solid var(--accent)}table{border-collapse:collapse;min-width:100%;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}th,td{border-bottom:1px solid var(--line);padding:.35rem .6rem;text-align:left;vertical-align:top}
thead th{background:var(--head);white-space:nowrap}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}td.t{min-width:16rem;overflow-wrap:anywhere}
tbody th{font-weight:600;min-width:9rem}figure{margin:1.5rem 0}figcaption{font-weight:600}figure svg{max-width:100%;height:auto;color:var(--fg)}
.soft{color:var(--soft)}.warn{color:var(--warn);font-weight:600}a{color:var(--accent)}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}@media(max-width:30rem){dl{display:block}dd{margin:0 0 .4rem}}
@media print{.scroll{overflow:visible}}
"""

_NUMBER = re.compile(r"–|(?=.*\d)(?:to|of|points|[-+.\d%() ])+")


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, names of columns, and rows of ready-made texts; the first cell names its row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a suite found. `figures` goes into report.json as it is; `notes` are sentences that stand at the top."""

    figures: dict[str, Any]
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    failed: tuple[Skipped, ...] = ()  # rows on which the product itself failed


def words(title: str, findings: Findings, facts: Sequence[tuple[str, str]]) -> str:
    """For the terminal."""
    blocks = ["\n".join([title, *findings.notes])]
    blocks += ["\n".join(_plain(table)) for table in findings.tables if table.rows]
    blocks.append("\n".join(f"{name}: {value}" for name, value in facts))
    return "\n\n".join(blocks)


def _plain(table: Table) -> Iterator[str]:
    rows = [table.columns, *table.rows]
    wide = [min(54, max(_width(row[at]) for row in rows)) for at in range(len(table.columns))]
    yield table.caption
    for number, row in enumerate(rows):
        cells = [cell + " " * (size - _width(cell)) for cell, size in zip(row, wide, strict=True)]
        yield "  " + "  ".join(cells).rstrip()
        if not number:
            yield "  " + "  ".join("-" * size for size in wide)


def _width(text: str) -> int:
    return sum(2 if "\u2e80" <= char <= "\uffef" else 1 for char in text)


def page(title: str, findings: Findings, facts: Sequence[tuple[str, str]]) -> str:
    """The report as HTML."""
    notes = "".join(f"<p{_lang(note)}>{escape(note)}</p>" for note in findings.notes)
    tables = "".join(_table(table) for table in findings.tables if table.rows)
    plots = "".join(_figure(chart, number) for number, chart in enumerate(findings.charts))
    about = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main><h1>{escape(title)}</h1>{notes}'
        f"<h2>Figures</h2>{tables}<h2>Plots</h2>{plots or '<p>None.</p>'}<h2>This run</h2><dl>{about}</dl></main></body></html>\n"
    )


def _table(table: Table) -> str:
    name = escape(table.caption, quote=True)
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    body = "".join(f"<tr>{''.join(_cell(cell, at) for at, cell in enumerate(row))}</tr>" for row in table.rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{name}"><table><caption>{name}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n"
    )


def _cell(text: str, at: int) -> str:
    if at == 0:
        return f'<th scope="row"{_lang(text)}>{escape(text)}</th>'
    kind = ' class="n"' if _NUMBER.fullmatch(text) else ' class="t"' if len(text) > 40 else ""
    return f"<td{kind}{_lang(text)}>{escape(text)}</td>"


def _lang(text: str) -> str:
    return ' lang="zh"' if is_chinese(text) else ""


def _figure(chart: Chart, number: int) -> str:
    drawn = svg(chart, number)
    inner = drawn if drawn else f'<p class="warn">Not drawn: matplotlib is not installed.</p><p>{escape(chart.alt)}</p>'
    return f"<figure><figcaption>{escape(chart.title)}</figcaption>{inner}</figure>\n"
