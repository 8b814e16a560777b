"""The description with who may call what: each operation's scope, and how it refuses."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from bentos.access import Needs
from rapport.access import SCOPES

__all__ = ["with_security"]

_SCHEME = "key"
_LIMITS = {
    "RateLimit-Policy": "How many requests (q) are let through in how many seconds (w)",
    "RateLimit": "How many are left (r), and in how many seconds all of them are again (t)",
}
_REFUSED = {
    "401": "No key or token, or one that is not known, has expired or was revoked",
    "403": "The caller has not the scope, or speaks of another tenant's customers",
    "429": "The caller sends more than its rate allows; ask again after Retry-After seconds",
}


def with_security(document: dict[str, Any], needs: Mapping[tuple[str, str], Needs]) -> dict[str, Any]:
    """The description with `security` at each operation.

    Args:
        document: the description; left as it is.
        needs: what each (method, path) needs, as it was registered.

    Raises:
        KeyError: an operation that is not registered.
    """
    secured = copy.deepcopy(document)
    secured["components"]["securitySchemes"] = {_SCHEME: _scheme()}
    for path, operations in secured["paths"].items():
        for method, operation in operations.items():
            _secure(operation, needs[method.upper(), path], _error_of(path))
    return secured


def _secure(operation: dict[str, Any], needed: Needs, error: dict[str, Any]) -> None:
    operation["security"] = [{_SCHEME: [needed.scope]}] if needed.scope else []
    if needed.admin:
        operation["description"] += " In production at the admin port alone."
    if needed.scope is None:
        return
    responses = operation["responses"]
    for status, said in _REFUSED.items():
        both = f"{responses[status]['description']}. Or: {said}" if status in responses else said
        responses[status] = {"description": both, "content": responses.get(status, {}).get("content", error)}
    for response in responses.values():
        response["headers"] = {name: _header(said) for name, said in _LIMITS.items()}
    operation["responses"] = dict(sorted(responses.items()))


def _error_of(path: str) -> dict[str, Any]:
    """The shape of refusals on this path."""
    name = "InferenceError" if f"{path}/".startswith("/v2/") else "Error"
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _header(said: str) -> dict[str, Any]:
    return {"description": said, "schema": {"type": "string"}}


def _scheme() -> dict[str, Any]:
    scopes = "\n".join(f"- `{scope}`: {meaning}" for scope, meaning in SCOPES.items())
    return {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key or a token (JWT). In development none is needed; one that is sent is checked all "
        f"the same. Scopes:\n\n{scopes}",
    }
