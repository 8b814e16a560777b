"""YAML into structs, with errors that name the file, the line, the field, the value and what is allowed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from rapport.errors import MappingError, PolicyError
from rapport.mapping.yaml_lines import LocatedYaml, parse_yaml

__all__ = ["MAX_FILE_BYTES", "Source", "Version", "near", "read"]

MAX_FILE_BYTES = 1 << 20
Version = Meta(
    pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$",
    description="Yours to choose: 1 to 32 letters, digits, points, hyphens and underscores.",
)
T = TypeVar("T")
_PATH = re.compile(r"^(?P<what>.*?) - at (?P<key>`key` in )?`\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


class Source:
    """A file that was read: makes errors about places in it.

    Args:
        where: the file's name, for people.
        located: its content with lines.
    """

    def __init__(self, where: str, located: LocatedYaml) -> None:
        self._where = where
        self._located = located

    def error(self, message: str, path: str = "", *, about: str = "") -> PolicyError:
        """An error about `path` (as `.rules[2].when.segment`); `about` names the rule or template for people."""
        place = f"{self._where}, line {self._located.line(path)}"
        return PolicyError(f"{place}{f', {about}' if about else ''}: {message}")


def read(data: bytes, where: str, kind: type[T]) -> tuple[T, Source]:
    """The content of a file as `kind`.

    Raises:
        PolicyError
    """
    if len(data) > MAX_FILE_BYTES:
        raise PolicyError(f"{where}: {len(data):,} bytes are too many; at most {MAX_FILE_BYTES:,}")
    try:
        located = parse_yaml(data.decode(), where)
    except UnicodeDecodeError as error:
        raise PolicyError(f"{where}: is not UTF-8: {error}") from None
    except MappingError as error:
        raise PolicyError(str(error)) from None
    except RecursionError:
        raise PolicyError(f"{where}: it is nested too deeply, or refers to itself") from None
    source = Source(where, located)
    try:
        return msgspec.convert(located.value, kind), source
    except msgspec.ValidationError as error:
        raise _refused(str(error), located, source, kind) from None


def near(name: str, known: Iterable[str]) -> str:
    """(did you mean 'x'?), or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _refused(text: str, located: LocatedYaml, source: Source, kind: Any) -> PolicyError:
    match = _PATH.match(text)
    what, path = (match["what"], match["path"]) if match else (text, "")
    unknown = re.search(r"unknown field `(.*)`", what)
    if match and match["key"]:
        what = f"a name in it is not allowed: {what}, as {', '.join(_keys_at(located.value, path))} should"
    elif unknown:
        allowed = _fields_at(kind, path)
        hint = near(unknown[1], allowed)
        what = f"unknown field {unknown[1][:80]!r}{hint}; allowed here: {', '.join(allowed)}"
        path += f".{unknown[1]}"
    elif path and "..." not in path and (value := _value_at(located.value, path)) is not None:
        what += f", not {str(value)[:80]!r}"
    return source.error(what, path, about=_about(located.value, path))


def _steps(path: str) -> list[str]:
    return [key or index for key, index in _STEP.findall(path)]


def _value_at(value: Any, path: str) -> Any:
    """A scalar at a path; None where there is none."""
    found = _at(value, path)
    return found if isinstance(found, str | int | float | bool) else None


def _keys_at(value: Any, path: str) -> list[str]:
    found = _at(value, path)
    return [repr(str(key)[:80]) for key in found] if isinstance(found, dict) else []


def _at(value: Any, path: str) -> Any:
    for step in _steps(path):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return value


def _about(value: Any, path: str) -> str:
    """The field, and the name of the rule or template that it is in."""
    steps = _steps(path)
    if not steps:
        return ""
    named = ""
    if len(steps) > 1 and steps[1].isdecimal() and isinstance(value, dict):
        items = value.get(steps[0])
        item = items[int(steps[1])] if isinstance(items, list) and int(steps[1]) < len(items) else None
        name = item.get("name", item.get("id")) if isinstance(item, dict) else None
        named = f"{steps[0].removesuffix('s')} {name!r}, " if isinstance(name, str) else ""
    return f"{named}field {path.lstrip('.')}"


def _fields_at(kind: Any, path: str) -> Collection[str]:
    """The fields that a struct at a path may have."""
    for step in _steps(path):
        kind = _inner(kind, step)
    struct = next((one for one in _options(kind) if hasattr(one, "__struct_encode_fields__")), None)
    return struct.__struct_encode_fields__ if struct else ()


def _inner(kind: Any, step: str) -> Any:
    for one in _options(kind):
        if hasattr(one, "__struct_fields__"):
            for field in msgspec.structs.fields(one):
                if field.encode_name == step:
                    return field.type
        elif get_origin(one) in (dict, list, tuple):
            return get_args(one)[1 if get_origin(one) is dict else 0]
    return None


def _options(kind: Any) -> tuple[Any, ...]:
    if kind is None or get_origin(kind) is Literal:
        return ()
    if hasattr(kind, "__metadata__"):
        return _options(kind.__origin__)
    return (kind,) if get_origin(kind) in (dict, list, tuple) or isinstance(kind, type) else get_args(kind)
