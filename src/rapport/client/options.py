"""What a client is told once, and what it tells of each call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from rapport.client.breaker import BreakerOptions, CircuitState
from rapport.client.tags import Scalar
from rapport.errors import SettingsError

__all__ = ["DEFAULT_URL", "CallReport", "ClientOptions", "Outcome", "Reporter"]

DEFAULT_URL = "http://127.0.0.1:8400"
Outcome = Literal["ok", "refused", "rate_limited", "unavailable", "deadline", "strange", "circuit_open", "cancelled"]


@dataclass(frozen=True)
class ClientOptions:
    """How a client asks.

    Attributes:
        url: the service's address; a path before the operations' own is allowed.
        key: an API key or a token, "" in development. Never shown by `repr`.
        ca_file: certificates (PEM) to trust the service by; None: the system's.
        deadline_ms: longest time of a call, all of it: resolving the name, connecting, a second try, the answer.
        retry: whether a call that failed early may be sent a second time.
        defaults: what `get_personalization_tags` gives when there is no answer, and for tags that an answer lacks.
        max_connections: kept-alive connections to the service, and calls that are on their way at once.
        max_answer_bytes: a longer answer is not read.
        max_rest_s: longest time that a `Retry-After` keeps the client from asking.
        breaker: when the service is left alone.

    Raises:
        SettingsError: a value out of range; names it and what is allowed.
    """

    url: str = DEFAULT_URL
    key: str = field(default="", repr=False)
    ca_file: Path | None = None
    deadline_ms: int = 250
    retry: bool = True
    defaults: Mapping[str, Scalar] = field(default_factory=dict)
    max_connections: int = 64
    max_answer_bytes: int = 262_144
    max_rest_s: float = 30.0
    breaker: BreakerOptions = field(default_factory=BreakerOptions)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise SettingsError(f"url {self.url!r}: it starts with http:// or https://")
        if not self.key.isascii() or any(char.isspace() for char in self.key):
            raise SettingsError("key: an API key has no spaces and only ASCII; is it the right file?")
        if self.ca_file and not self.ca_file.is_file():
            raise SettingsError(f"ca_file {self.ca_file}: there is no such file")
        for name, least, most in _RANGES:
            if not least <= getattr(self, name) <= most:
                raise SettingsError(f"{name}={getattr(self, name)}: {least} to {most} is allowed")
        for name, value in self.defaults.items():
            if not isinstance(value, str | int | float | bool):
                raise SettingsError(
                    f"defaults[{name!r}] is a {type(value).__name__}: text, a number or a boolean is allowed"
                )

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """Address and key from the environment, the rest as given.

        `RAPPORT_SERVICE_URL`; the key's file `RAPPORT_SERVICE_KEY_FILE`, or else the key itself, `RAPPORT_SERVICE_KEY`;
        `RAPPORT_SERVICE_CA_FILE`. What is given in `options` wins.

        Raises:
            SettingsError: the file of the key cannot be read or is empty.
        """
        found: dict[str, Any] = {}
        if url := env.get("RAPPORT_SERVICE_URL"):
            found["url"] = url
        if path := env.get("RAPPORT_SERVICE_KEY_FILE"):
            found["key"] = read_key(Path(path))
        elif key := env.get("RAPPORT_SERVICE_KEY"):
            found["key"] = key
        if ca_file := env.get("RAPPORT_SERVICE_CA_FILE"):
            found["ca_file"] = Path(ca_file)
        return cls(**{**found, **options})


@dataclass(frozen=True)
class CallReport:
    """What became of one call, for metrics and logs; it says nothing of the customer.

    Attributes:
        operation: personalize, personalize/batch, events or feedback.
        status: the HTTP status of the last answer; 0: there was none.
        attempts: how often it was sent; 0 while the circuit is open.
        seconds: from the call to its outcome.
        circuit: the circuit after the call.
    """

    operation: str
    outcome: Outcome
    status: int
    attempts: int
    seconds: float
    circuit: CircuitState


Reporter = Callable[[CallReport], None]

_RANGES = (
    ("deadline_ms", 1, 60_000),
    ("max_connections", 1, 10_000),
    ("max_answer_bytes", 1_024, 64_000_000),
    ("max_rest_s", 0, 600),
)


def read_key(path: Path) -> str:
    """The first line of a file.

    Raises:
        SettingsError: it cannot be read, or is empty; quotes nothing of it.
    """
    try:
        key = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"the key's file {path} cannot be read: {why}") from None
    if not key:
        raise SettingsError(f"the key's file {path} is empty: its first line is to be the key")
    return key
