"""The service's own pages: a landing page, and the reference of its HTTP interface. Both work without any network.

The reference shows /openapi.json with the Swagger UI whose files come with BentoML. BentoML's own page does the same
for its API methods, which this service has none of, and calls a tag manager: it is not served.
"""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path
from string import Template

from starlette.staticfiles import StaticFiles

from rapport.decisions.answers import Health, ModelHealth

__all__ = ["landing_page", "reference_page", "swagger_files"]

_FOLDER = Path(__file__).parent / "html"


def swagger_files() -> StaticFiles:
    """Swagger UI's script and style sheet."""
    import bentoml._internal.server as server

    return StaticFiles(directory=Path(server.__path__[0]) / "static_content")


@cache
def reference_page() -> str:
    return (_FOLDER / "reference.html").read_text(encoding="utf-8")


def landing_page(health: Health, base: str) -> str:
    """Where everything is, and how the parts are.

    Args:
        base: the service's address as the caller has it, with a slash at its end.
    """
    parts = {
        "Online store": health.redis,
        "Event bus": health.bus,
        "Features up to date": health.features_current,
        "Policy": health.policy,
        **{_model(name, model): model.loaded for name, model in health.models.items()},
    }
    rows = "".join(_part(name, well) for name, well in parts.items())
    problems = "".join(f"<li>{html.escape(problem)}</li>" for problem in health.problems)
    return _landing().substitute(
        status=health.status,
        parts=rows,
        problems=f"<ul class=problems>{problems}</ul>" if problems else "",
        base=html.escape(base),
    )


def _model(name: str, model: ModelHealth) -> str:
    return f"Model {name} {model.version}" if model.loaded else f"Model {name}: none is promoted, or it cannot be read"


@cache
def _landing() -> Template:
    return Template((_FOLDER / "landing.html").read_text(encoding="utf-8"))


def _part(name: str, well: bool) -> str:
    return f"<li class={'well' if well else 'ill'}>{html.escape(name)}</li>"
