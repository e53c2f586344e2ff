"""Docs cannot drift: every setting, command and target stands in the README, and what the README names exists."""

import re
from pathlib import Path

from assistant.cli import app, audit
from assistant.settings import Settings
from safety.rails import load_rules
from safety.replies import reply

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_every_setting_is_in_the_readme() -> None:
    for name, field in Settings.model_fields.items():
        assert f"| `{name.upper()}` |" in README, name
        assert field.description
        assert field.description.split(",")[0].split(" (")[0] in README, name


def test_every_command_is_in_the_readme() -> None:
    for command in app.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        assert f"doctor {name}" in README, name
    for command in audit.registered_commands:
        assert f"doctor audit {command.name}" in README


def test_what_the_readme_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_rail_category_has_its_words_in_both_languages() -> None:
    for rows in load_rules().values():
        for rule in rows:
            assert reply(rule.category, "en")
            assert reply(rule.category, "zh")


def test_no_path_of_a_machine_is_in_the_tree() -> None:
    for path in ROOT.rglob("*"):
        hidden = any(part.startswith(".") or part in ("var", "node_modules") for part in path.relative_to(ROOT).parts)
        if (
            path.is_file()
            and not hidden
            and path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".js", ".html", ".sh", ".lock", ".jsonl"}
        ):
            text = path.read_text("utf-8", errors="ignore")
            assert not re.search(r"(?<![\w.])/(?:root|home|work)/[a-z]", text), path
