"""Reading the mapping files of webhooks; checked before a request is taken."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rapport.errors import MappingError
from rapport.mapping.checking import check_fields, check_time, field_rule, structure
from rapport.mapping.rules import CustomerRule, FieldRule, TimeRule
from rapport.mapping.templates import template_columns
from rapport.mapping.yaml_lines import LocatedYaml, read_yaml
from rapport.webhooks.mapping import EventRule, Signature, WebhookMapping

__all__ = [
    "LoadedSource",
    "ResolvedRule",
    "example_names",
    "example_payloads",
    "example_text",
    "load_source",
    "resolved_rules",
]

_FOLDER = Path(__file__).parent / "mappings"
_PAYLOADS = Path(__file__).parent / "examples"
_SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class ResolvedRule:
    """An event's rule, complete: with what stands at the top of the mapping under its own."""

    rule: EventRule
    time: TimeRule
    customer: CustomerRule
    event_id: str
    fields: dict[str, FieldRule]


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """A mapping file that is right.

    Attributes:
        mapping: what it says.
        secrets: any of these may sign; empty for a source that is unsigned, or when they were not asked for.
        schema: the mapping's name and the beginning of its file's SHA-256, for the dead letters.
        files: the files that were read.
    """

    mapping: WebhookMapping
    secrets: tuple[bytes, ...]
    schema: str
    files: tuple[Path, ...]


def example_names() -> list[str]:
    """Names of the mappings that come with Rapport."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def example_text(name: str) -> str:
    """The text of a mapping that comes with Rapport.

    Raises:
        MappingError: there is none of this name.
    """
    if name not in example_names():
        raise MappingError(f"no example of the name {name!r}; there are {', '.join(example_names())}")
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def example_payloads(name: str) -> dict[str, bytes]:
    """Payloads to try a mapping that comes with Rapport on, by what they are."""
    return {path.stem.partition(".")[2]: path.read_bytes() for path in sorted(_PAYLOADS.glob(f"{name}.*.json"))}


def load_source(path: Path, *, secrets: bool = True) -> LoadedSource:
    """Load a source's mapping file and its secrets.

    Args:
        path: `<source>.yaml`.
        secrets: whether the secret is read; without it nothing can be verified.

    Raises:
        MappingError: not YAML, an unknown or missing key, a value that is not allowed, a secret that cannot be read;
            names file, line and key, and what is allowed.
    """
    document = read_yaml(path)
    mapping = structure(document, WebhookMapping)
    if mapping.name != path.stem:
        raise document.error(f"is {mapping.name!r}, but the file is {path.name}: give both the same name", ".name")
    _check_signing(document, mapping)
    for index, rule in enumerate(mapping.events):
        _check_rule(document, mapping, rule, f".events[{index}]")
    for index, conditions in enumerate(mapping.ignore):
        if not conditions:
            raise document.error("says nothing, so it would ignore every payload", f".ignore[{index}]")
    files: tuple[Path, ...] = (path,)
    found: tuple[bytes, ...] = ()
    if mapping.signature is not None and secrets:
        secret_path = path.parent / mapping.signature.secret_file
        files, found = (path, secret_path), _read_secrets(document, mapping.signature, secret_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return LoadedSource(mapping, found, f"{mapping.name}@{digest}", files)


def resolved_rules(mapping: WebhookMapping) -> list[ResolvedRule]:
    """The rules of a mapping that is right, each complete."""
    found = []
    for rule in mapping.events:
        time, customer = rule.time or mapping.time, rule.customer or mapping.customer
        assert time is not None and customer is not None
        fields = {name: field_rule(one) for name, one in {**mapping.fields, **rule.fields}.items()}
        found.append(ResolvedRule(rule, time, customer, rule.event_id or mapping.event_id, fields))
    return found


def _check_signing(document: LocatedYaml, mapping: WebhookMapping) -> None:
    signature = mapping.signature
    if signature is None and not mapping.unsigned:
        raise document.error(
            "no signature: say how the source signs (header, secret_file), or `unsigned: true` if anybody who reaches "
            "this service may send its events"
        )
    if signature is None:
        return
    if mapping.unsigned:
        raise document.error("a source with a signature is not unsigned; leave one of them out", ".unsigned")
    if signature.separator and signature.timestamp_header is None:
        raise document.error("stands between a time and the body: give timestamp_header", ".signature.separator")


def _read_secrets(document: LocatedYaml, signature: Signature, path: Path) -> tuple[bytes, ...]:
    where = ".signature.secret_file"
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise document.error(f"{path} cannot be read: {error.strerror}; put the source's secret there", where) from None
    found = tuple(line.strip() for line in lines if line.strip())
    if not found or min(map(len, found)) < _SHORTEST_SECRET:
        raise document.error(f"{path} must hold secrets of at least {_SHORTEST_SECRET} characters, one a line", where)
    return found


def _check_rule(document: LocatedYaml, mapping: WebhookMapping, rule: EventRule, path: str) -> None:
    for name, own, above in (
        ("time", rule.time, mapping.time),
        ("customer", rule.customer, mapping.customer),
        ("event_id", rule.event_id, mapping.event_id),
    ):
        if not (own or above):
            raise document.error(f"no `{name}`, here or at the top: say where it comes from", path)
    where = f"{path}.time" if rule.time else ".time"
    check_time(document, rule.time or mapping.time or TimeRule(column=""), where)
    where = f"{path}.event_id" if rule.event_id else ".event_id"
    _check_event_id(document, rule.event_id or mapping.event_id, where)
    fields = {name: field_rule(one) for name, one in {**mapping.fields, **rule.fields}.items()}
    check_fields(document, rule.topic, fields, (path, rule.fields))


def _check_event_id(document: LocatedYaml, template: str, path: str) -> None:
    try:
        columns = template_columns(template)
    except ValueError as error:
        raise document.error(str(error), path) from None
    if not columns:
        raise document.error("has no {path} in it: every event of the source would have the same id", path)
