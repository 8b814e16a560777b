"""docs/security.md says what the code does: scopes and their routes, risks, settings, reasons."""

from __future__ import annotations

import dataclasses
import re

from bentos.api import Api
from rapport.access import SCOPES
from rapport.access.safety import RISKS
from rapport.settings import Settings
from tests.source_tree import ROOT

_OURS = "RAPPORT_(MODE|TLS_|JWT_|KEYS_|RATE_|ADMIN_|BEHIND_|ACCEPTED_|SERVICE_)"
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_which_scope_opens_which_route() -> None:
    """A route that is opened to more callers is a change of this page, seen in a diff."""
    rows = re.findall(r"^\| `?([a-z:]+)`? \| [^|]*\|([^|]*)\|$", PAGE, re.MULTILINE)
    known = {*SCOPES, "none"}
    documented = {scope: set(re.findall(r"`([A-Z]+ [^`]+)`", where)) for scope, where in rows if scope in known}
    registered: dict[str, set[str]] = {scope: set() for scope in (*SCOPES, "none")}
    for (method, path), needs in Api().needs.items():
        registered[needs.scope or "none"].add(f"{method} {path}")
    assert documented == registered


def test_risks_and_settings_are_there() -> None:
    words = set(re.findall(r"`([^`\n]+)`", PAGE))
    assert set(RISKS) <= words
    settings = {f"RAPPORT_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    named = set(re.findall(r"RAPPORT_[A-Z_]+", PAGE))
    assert named <= settings
    ours = {name for name in settings if re.match(_OURS, name)}
    assert ours <= named
