"""Response templates: texts by id and locale, with typed placeholders, kept in templates.yaml.

A placeholder is filled from the fact of its name, or has a default per locale for when that fact is not known. Every
text is checked when the file is loaded, so that rendering cannot fail.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from rapport.decisions.record import RenderedTemplate
from rapport.decisions.situation import FACTS, Situation, fact_kinds
from rapport.errors import PolicyError

__all__ = ["Templates", "load_templates", "parse_templates"]

_TEXT_LIMIT = 80
_KINDS: Mapping[str, tuple[type, ...]] = {"text": (str,), "integer": (int,), "percent": (float,)}


class _Placeholder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["text", "integer", "percent"]
    default: dict[str, str] | None = None
    """Locale to text; for facts that may be unknown."""


class _Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    text: dict[str, str]
    placeholders: dict[str, _Placeholder] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    default_locale: str
    templates: list[_Template]


@dataclass(frozen=True, slots=True)
class Templates:
    """Checked templates by id."""

    by_id: Mapping[str, _Template]
    default_locale: str

    def render(self, template_id: str, locale: str | None, situation: Situation) -> RenderedTemplate:
        """The text in `locale`, else in its language, else in the default locale.

        Raises:
            KeyError: no such template.
        """
        template = self.by_id[template_id]
        chosen = self._locale(template, locale)
        values = {name: self._value(name, kind, chosen, situation) for name, kind in template.placeholders.items()}
        return RenderedTemplate(chosen, template.text[chosen].format_map(values))

    def _locale(self, template: _Template, locale: str | None) -> str:
        wanted = (locale or "").replace("_", "-").lower()
        language = wanted.partition("-")[0]
        for candidate in (wanted, language):
            if candidate in template.text:
                return candidate
        return self.default_locale

    def _value(self, name: str, placeholder: _Placeholder, locale: str, situation: Situation) -> str:
        value = getattr(situation, name)
        if value is None:
            defaults = placeholder.default or {}
            return defaults.get(locale, defaults.get(self.default_locale, ""))
        if placeholder.type == "percent":
            return f"{value:.0%}"
        if placeholder.type == "integer":
            return str(value)
        clean = "".join(character for character in str(value) if character.isprintable())
        return clean if len(clean) <= _TEXT_LIMIT else clean[: _TEXT_LIMIT - 1] + "…"


def load_templates(path: Path) -> Templates:
    """The templates of a file.

    Raises:
        PolicyError: the file is absent or wrong; names the template, the locale and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from None
    return parse_templates(text, where=str(path))


def parse_templates(text: str, *, where: str = "templates") -> Templates:
    """The templates in `text` (YAML). Errors as `load_templates`."""
    import yaml

    try:
        file = msgspec.yaml.decode(text, type=_File)
    except (msgspec.MsgspecError, yaml.YAMLError) as error:
        raise PolicyError(f"{where}: {error}") from None
    if file.version != 1:
        raise PolicyError(f"{where}: version {file.version} is not known; 1 is")
    by_id: dict[str, _Template] = {}
    for template in file.templates:
        if template.id in by_id:
            raise PolicyError(f"{where}: two templates have the id {template.id!r}")
        _check(template, file.default_locale, f"{where}, template {template.id!r}")
        by_id[template.id] = template
    return Templates(by_id, file.default_locale)


def _check(template: _Template, default_locale: str, place: str) -> None:
    if default_locale not in template.text:
        raise PolicyError(
            f"{place}: has no text in the default locale {default_locale!r}; has {', '.join(template.text)}"
        )
    for name, placeholder in template.placeholders.items():
        _check_placeholder(name, placeholder, default_locale, place)
    for locale, text in template.text.items():
        if locale != locale.lower() or "_" in locale:
            raise PolicyError(f"{place}: write the locale {locale!r} in lower case with hyphens: `de`, `pt-br`")
        used = _used(text, f"{place}, locale {locale!r}")
        if used != set(template.placeholders):
            wrong = ", ".join(sorted(used ^ set(template.placeholders)))
            raise PolicyError(f"{place}, locale {locale!r}: the text and the declared placeholders differ in: {wrong}")


def _check_placeholder(name: str, placeholder: _Placeholder, default_locale: str, place: str) -> None:
    kind = FACTS.get(name)
    if kind is None:
        raise PolicyError(f"{place}: placeholder {name!r} is not a fact; facts: {fact_kinds()}")
    if kind not in _KINDS[placeholder.type]:
        fitting = [text for text, kinds in _KINDS.items() if kind in kinds]
        raise PolicyError(
            f"{place}: placeholder {name!r} is a {kind.__name__}, not {placeholder.type}; "
            f"{'use ' + fitting[0] if fitting else 'such a fact cannot be shown'}"
        )
    if _may_be_unknown(name) and default_locale not in (placeholder.default or {}):
        raise PolicyError(
            f"{place}: the fact {name!r} may be unknown: give the placeholder a `default` in {default_locale!r}"
        )


def _may_be_unknown(fact: str) -> bool:
    return getattr(Situation(), fact) is None


def _used(text: str, place: str) -> set[str]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise PolicyError(f"{place}: {error}; a literal brace is written twice") from None
    used: set[str] = set()
    for _, name, format_spec, conversion in parts:
        if name is None:
            continue
        if not name.isidentifier() or format_spec or conversion:
            raise PolicyError(f"{place}: write a placeholder as {{name}} alone, not {name!r} with a format")
        used.add(name)
    return used
