"""Response templates: texts by id and locale, with typed placeholders.

A placeholder is filled from a fact of the turn or from a slot that the chatbot gives. One whose value nobody has is
asked for, unless it declares what to say instead; a text with a hole is never said. Everything is checked when the file
is loaded, so that rendering cannot fail.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from babel import Locale
from msgspec import Meta

from rapport.decisions.record import Ask, RenderedTemplate, SlotValue
from rapport.decisions.situation import FACTS, Situation, fact_kinds, may_be_unknown
from rapport.policy.reading import Source, Version, near, read
from rapport.policy.values import Kind, Unusable, Value, fact_value, find_locale, slot_value, written

__all__ = ["Placeholder", "Templates", "TemplatesFile", "parse_templates"]

_FACT_KINDS: Mapping[type, tuple[Kind, ...]] = {str: ("text",), float: ("percent", "decimal"), int: ("integer",)}
LocaleName = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$", description="As `de` or `pt-br`.")]
Texts = dict[LocaleName, Annotated[str, Meta(min_length=1, max_length=2_000)]]


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Placeholder(_Closed, frozen=True):
    type: Kind
    fact: Annotated[str | None, Meta(description="The fact that fills it; default: the fact of its name.")] = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", description="Of money in a fact.")] | None = None
    default: Annotated[Texts | None, Meta(description="Locale to what is said when nobody knows the value.")] = None
    ask: Annotated[Texts | None, Meta(description="Locale to the question that gets the value as a slot.")] = None


class _Template(_Closed, frozen=True):
    id: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    text: Annotated[Texts, Meta(description="Locale to text; a placeholder is written {name}, a brace twice.")]
    placeholders: dict[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Placeholder] = {}


class TemplatesFile(_Closed, frozen=True):
    """Texts that the policy's rules choose from."""

    format: Literal[1]
    version: Annotated[str, Version]
    default_locale: LocaleName
    templates: Annotated[list[_Template], Meta(min_length=1, max_length=5_000)]


@dataclass(frozen=True, slots=True)
class _Text:
    """A text in one locale: literal parts, each with the placeholder that follows it ("" for none)."""

    parts: tuple[tuple[str, str], ...]
    locale: Locale


@dataclass(frozen=True, slots=True)
class _Compiled:
    texts: Mapping[str, _Text]
    placeholders: Mapping[str, Placeholder]


@dataclass(frozen=True, slots=True)
class Templates:
    """Checked templates by id.

    Attributes:
        version: the declared one.
        slots: the names of all placeholders.
    """

    version: str
    by_id: Mapping[str, _Compiled]
    default_locale: str
    slots: frozenset[str]

    def render(
        self, template_id: str, locale: str | None, situation: Situation, slots: Mapping[str, SlotValue]
    ) -> tuple[RenderedTemplate, list[Ask]]:
        """The text in `locale`, else in its language, else in the default locale; and what must be asked for before it
        can be said, in which case there is no text.

        Raises:
            KeyError: no such template.
        """
        template = self.by_id[template_id]
        chosen = self._locale(template, locale)
        text = template.texts[chosen]
        if not template.placeholders:
            return RenderedTemplate(chosen, text.parts[0][0]), []
        style = _style(locale, text.locale)
        values: dict[str, str] = {"": ""}
        asks: list[Ask] = []
        for name, placeholder in template.placeholders.items():
            found = _value(name, placeholder, situation, slots)
            if isinstance(found, _Missing):
                if placeholder.default is not None:
                    values[name] = placeholder.default.get(chosen) or placeholder.default[self.default_locale]
                else:
                    questions = placeholder.ask or {}
                    question = questions.get(chosen) or questions[self.default_locale]
                    asks.append(Ask(name, placeholder.type, question, found.problem))
            else:
                values[name] = written(placeholder.type, found, style)
        if asks:
            return RenderedTemplate(chosen, None), asks
        return RenderedTemplate(chosen, "".join([literal + values[name] for literal, name in text.parts])), []

    def _locale(self, template: _Compiled, locale: str | None) -> str:
        wanted = (locale or "").replace("_", "-").lower()
        for candidate in (wanted, wanted.partition("-")[0]):
            if candidate in template.texts:
                return candidate
        return self.default_locale


@dataclass(frozen=True, slots=True)
class _Missing:
    problem: str | None = None


def _value(
    name: str, placeholder: Placeholder, situation: Situation, slots: Mapping[str, SlotValue]
) -> Value | _Missing:
    fact = placeholder.fact or (name if name in FACTS else None)
    if fact is not None and (known := getattr(situation, fact)) is not None:
        return fact_value(placeholder.type, known, placeholder.currency)
    given = slots.get(name)
    if given is None:
        return _Missing()
    try:
        return slot_value(placeholder.type, given)
    except Unusable as problem:
        return _Missing(str(problem))


def _style(wanted: str | None, of_text: Locale) -> Locale:
    """How numbers are written: as in the region that was asked for, if it speaks the text's language."""
    found = find_locale(wanted) if wanted else None
    return found if found is not None and found.language == of_text.language else of_text


def parse_templates(data: bytes, *, where: str = "templates.yaml") -> Templates:
    """The templates in a file's bytes.

    Raises:
        PolicyError: names the line, the template, the locale, the value and what is allowed.
    """
    file, source = read(data, where, TemplatesFile)
    by_id: dict[str, _Compiled] = {}
    for at, template in enumerate(file.templates):
        path = f".templates[{at}]"
        if template.id in by_id:
            raise source.error(f"two templates have the id {template.id!r}", path)
        by_id[template.id] = _Check(template, file.default_locale, source, path).compiled()
    slots = frozenset(name for template in file.templates for name in template.placeholders)
    return Templates(file.version, by_id, file.default_locale, slots)


class _Check:
    """One template on its way to a compiled one."""

    def __init__(self, template: _Template, default_locale: str, source: Source, path: str) -> None:
        self._template = template
        self._default = default_locale
        self._source = source
        self._path = path

    def compiled(self) -> _Compiled:
        self._has_default(self._template.text, "text", "")
        for name, placeholder in self._template.placeholders.items():
            self._placeholder(name, placeholder)
        texts = {locale: self._text(locale, text) for locale, text in self._template.text.items()}
        return _Compiled(texts, self._template.placeholders)

    def _error(self, message: str, field: str) -> Exception:
        return self._source.error(
            message, f"{self._path}.{field}", about=f"template {self._template.id!r}, field {field}"
        )

    def _has_default(self, texts: Mapping[str, str], field: str, about: str) -> None:
        if self._default not in texts:
            has = ", ".join(texts) or "none"
            raise self._error(f"{about}has no text in the default locale {self._default!r}; has: {has}", field)

    def _placeholder(self, name: str, placeholder: Placeholder) -> None:
        field = f"placeholders.{name}"
        fact = placeholder.fact or (name if name in FACTS else None)
        if fact is not None:
            self._fact(fact, placeholder, field)
        for said, texts in (("default", placeholder.default), ("ask", placeholder.ask)):
            if texts is not None:
                self._has_default(texts, f"{field}.{said}", "")
        if placeholder.default is not None and placeholder.ask is not None:
            raise self._error("give `default` or `ask`, not both: what has a default is never asked for", field)
        if placeholder.default is None and placeholder.ask is None and (fact is None or may_be_unknown(fact)):
            known = f"the fact {fact!r} may be unknown" if fact else "only a slot fills it"
            raise self._error(f"{known}: give `ask`, the question that gets the value, or a `default`", field)

    def _fact(self, fact: str, placeholder: Placeholder, field: str) -> None:
        kind = FACTS.get(fact)
        if kind is None:
            raise self._error(f"unknown fact {fact[:80]!r}{near(fact, FACTS)}; facts: {fact_kinds()}", field)
        allowed = _kinds_of(fact, kind)
        if placeholder.type not in allowed:
            shown = f"it can be shown as {' or '.join(allowed)}" if allowed else "it cannot be shown"
            raise self._error(f"the fact {fact!r} is a {kind.__name__}, not {placeholder.type}: {shown}", field)
        if (placeholder.type == "money") != (placeholder.currency is not None):
            raise self._error("money in a fact needs a `currency`, and nothing else has one", field)

    def _text(self, locale: str, text: str) -> _Text:
        found = find_locale(locale)
        if found is None:
            raise self._error(
                f"unknown locale {locale!r}; write a language as `de`, or with a region as `pt-br`", "text"
            )
        parts = self._parts(text, f"text.{locale}")
        used, declared = {name for _, name in parts if name}, set(self._template.placeholders)
        if used != declared:
            wrong = ", ".join(sorted(used ^ declared))
            raise self._error(f"the text and the declared placeholders differ in: {wrong}", f"text.{locale}")
        written("decimal", 1, found)  # reads the locale's data now, and not while a decision waits
        return _Text(parts, found)

    def _parts(self, text: str, field: str) -> tuple[tuple[str, str], ...]:
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise self._error(f"{error}; a literal brace is written twice", field) from None
        for _, name, form, conversion in parts:
            if name is not None and (form or conversion or not name.isidentifier()):
                raise self._error(f"write a placeholder as {{name}} alone, not {name!r} with a format", field)
        if not self._template.placeholders and all(name is None for _, name, _, _ in parts):
            return (("".join(literal for literal, *_ in parts), ""),)
        return tuple((literal, name or "") for literal, name, _, _ in parts)


def _kinds_of(fact: str, kind: type) -> tuple[Kind, ...]:
    """The types that a fact can be shown as; its unit is in its name."""
    if fact.endswith("_micros"):
        return ("money",)
    if fact.endswith("_day"):
        return ("date",)
    return _FACT_KINDS.get(kind, ())
