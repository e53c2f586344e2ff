"""Reads policy and rule files so that an error can name file and line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from safety.types import PolicyError


class Located(dict[str, Any]):
    """A mapping that knows the line it starts on (1 is the first)."""

    line = 0


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C one is ten times faster
    pass


def _construct(loader: Any, node: yaml.MappingNode) -> Located:
    loader.flatten_mapping(node)
    keys = [key.value for key, _ in node.value]
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(keys) < 2_000 else None
    if twice is not None:
        raise PolicyError(f"{node.start_mark.line + 1}: {twice!r} is given twice; keep one")
    located = Located(loader.construct_mapping(node, deep=True))
    located.line = node.start_mark.line + 1
    return located


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct)


def read_yaml(path: Path) -> Located:
    """The mapping in a YAML file. Raises PolicyError naming file and line when it is missing or malformed."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  (a safe loader)
    except OSError as error:
        raise PolicyError(f"{path}:1: cannot be read: {error}; check the path") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    except PolicyError as error:
        raise PolicyError(f"{path}:{error}") from None
    if not isinstance(data, Located):
        raise PolicyError(f"{path}:1: must be a mapping, got {type(data).__name__!r}")
    return data


def at(value: Any) -> int:
    """The line a value starts on, where it is known."""
    return value.line if isinstance(value, Located) else 0


def mapping(data: Mapping[str, Any], key: str, where: str) -> Located:
    """The mapping under `key`. Raises PolicyError."""
    value = data.get(key)
    if not isinstance(value, Located):
        raise PolicyError(f"{where}:{at(data)}: {key!r} must be a mapping, got {value!r}")
    return value


def strings(data: Mapping[str, Any], key: str, where: str) -> list[str]:
    """The list of texts under `key`; empty where there is none. Raises PolicyError."""
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise PolicyError(f"{where}:{at(data)}: {key!r} must be a list of texts, got {value!r}")
    return value
