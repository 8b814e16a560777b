"""A Schema Registry by its HTTP API, Confluent's: https://docs.confluent.io/platform/current/schema-registry/develop/api.html"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import quote, urlsplit

import msgspec

from rapport.errors import RegistryRefused, RegistryUnavailable, SettingsError
from rapport.registry.schema import Kind, RegisteredSchema

if TYPE_CHECKING:
    import ssl

    import httpx

    from rapport.settings import Settings

__all__ = ["MAX_SCHEMA_BYTES", "Registry", "open_registry"]

MAX_SCHEMA_BYTES = 262_144
"""Largest schema that is taken, with all that it refers to."""

_MAX_REFERENCES = 16
_TIMEOUT_S = 5.0
_NO_SUBJECT, _NO_VERSION, _NO_SCHEMA = 40401, 40402, 40403


class _Reference(msgspec.Struct):
    name: str
    subject: str
    version: int


class _Answer(msgspec.Struct):
    """A schema as the API gives it; without a type it is Avro."""

    schema: str
    kind: str = msgspec.field(default="AVRO", name="schemaType")
    references: list[_Reference] = []


class _Error(msgspec.Struct):
    error_code: int = 0
    message: str = ""


class Registry:
    """A registry. Each question has a connection of its own.

    Args:
        url: its address, up to what stands before `/schemas` and `/subjects`.
        user, password: for basic authentication; "": none.
        ca_file: certificates to trust; None: the system's.
    """

    def __init__(self, url: str, user: str = "", password: str = "", ca_file: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._login = (user, password) if user else None
        self._ca_file = ca_file
        self._trusted: ssl.SSLContext | None = None

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """The schema of an id; None: the registry knows none.

        Raises:
            RegistryUnavailable: it does not answer, or not as a registry does.
            RegistryRefused: the schema, with what it refers to, is too large; or in a language that is not read.
        """
        # Confluent's own registry gives the compiled .proto file when it is asked so; others give what was registered.
        answer = self._get(f"/schemas/ids/{schema_id}?format=serialized", _NO_SCHEMA)
        if answer is None:
            return None
        found = self._read(answer, _Answer)
        if found.kind not in get_args(Kind):
            raise RegistryRefused(f"schema {schema_id} is in {found.kind[:40]!r}; {', '.join(get_args(Kind))} are read")
        references: dict[str, str] = {}
        self._refer(found, references)
        size = len(found.schema) + sum(map(len, references.values()))
        if size > MAX_SCHEMA_BYTES:
            raise RegistryRefused(f"schema {schema_id} has {size:,} bytes; {MAX_SCHEMA_BYTES:,} are allowed")
        return RegisteredSchema(kind=found.kind, text=found.schema, references=references)

    def is_compatible(self, subject: str, kind: Kind, text: str) -> tuple[bool, list[str]]:
        """Whether a schema may follow those of a subject, by the subject's own level; and what the registry says.

        Raises:
            RegistryUnavailable
            RegistryRefused: it is no schema.
        """
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions?verbose=true"
        answer = self._post(path, kind, text)
        if answer.status_code == 404 and self._error(answer).error_code in (_NO_SUBJECT, _NO_VERSION):
            return True, []
        said = self._read(self._good(answer, subject), dict[str, Any])
        return bool(said.get("is_compatible")), [str(one) for one in said.get("messages") or ()]

    def find(self, subject: str, kind: Kind, text: str) -> int | None:
        """The id of a schema that the subject has already; None: it has not.

        Raises:
            RegistryUnavailable, RegistryRefused
        """
        answer = self._post(f"/subjects/{quote(subject, safe='')}", kind, text)
        if answer.status_code == 404 and self._error(answer).error_code in (_NO_SUBJECT, _NO_SCHEMA):
            return None
        return int(self._read(self._good(answer, subject), dict[str, Any])["id"])

    def register(self, subject: str, kind: Kind, text: str) -> int:
        """Register a schema; gives its id, also when it was there.

        Raises:
            RegistryUnavailable
            RegistryRefused: it is not compatible with the subject's others, or no schema; in the registry's words.
        """
        answer = self._post(f"/subjects/{quote(subject, safe='')}/versions", kind, text)
        return int(self._read(self._good(answer, subject), dict[str, Any])["id"])

    def _refer(self, schema: _Answer, into: dict[str, str]) -> None:
        """Fetch what a schema refers to, depth first, so that each text comes after those it needs."""
        for one in schema.references:
            if one.name in into:
                continue
            if len(into) >= _MAX_REFERENCES:
                raise RegistryRefused(f"a schema refers to more than {_MAX_REFERENCES} others")
            into[one.name] = ""
            path = f"/subjects/{quote(one.subject, safe='')}/versions/{one.version}?format=serialized"
            answer = self._get(path, _NO_SUBJECT, _NO_VERSION)
            if answer is None:
                raise RegistryRefused(f"a schema refers to {one.subject!r}, which the registry does not have")
            found = self._read(answer, _Answer)
            self._refer(found, into)
            del into[one.name]
            into[one.name] = found.schema

    def _get(self, path: str, *none: int) -> httpx.Response | None:
        """The answer; None: 404 with one of the codes `none`, which are the registry's own for what is not there."""
        answer = self._ask("GET", path, None)
        if answer.status_code == 404 and self._error(answer).error_code in none:
            return None
        return self._good(answer, path)

    def _post(self, path: str, kind: Kind, text: str) -> httpx.Response:
        body = {"schema": text} if kind == "AVRO" else {"schema": text, "schemaType": kind}
        return self._ask("POST", path, msgspec.json.encode(body))

    def _ask(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        import httpx

        headers = {"Accept": "application/vnd.schemaregistry.v1+json"}
        if body is not None:
            headers["Content-Type"] = headers["Accept"]
        try:
            # A schema is asked for once in its life: no connection is kept for the next.
            with httpx.Client(timeout=_TIMEOUT_S, auth=self._login, verify=self._tls(), trust_env=False) as http:
                answer = http.request(method, self.url + path, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"{self._name} does not answer: {type(error).__name__}: {error}") from None
        if answer.status_code >= 500 or answer.status_code in (401, 403, 408, 429):
            raise RegistryUnavailable(f"{self._name} answers {answer.status_code}{self._hint(answer)}")
        return answer

    def _tls(self) -> ssl.SSLContext:
        if self._trusted is None:
            import ssl

            try:
                self._trusted = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
            except (OSError, ValueError) as error:
                raise SettingsError(
                    f"RAPPORT_REGISTRY_CA_FILE={self._ca_file} holds no certificates: {error}"
                ) from None
        return self._trusted

    def _good(self, answer: httpx.Response, what: str) -> httpx.Response:
        if answer.status_code == 404 and not self._error(answer).error_code:
            raise RegistryUnavailable(
                f"{self._name} has no {answer.request.url.path}: RAPPORT_REGISTRY_URL has to be what stands before "
                "/schemas and /subjects in the registry's API"
            )
        if not answer.is_success:
            raise RegistryRefused(f"{what}: {self._error(answer).message or answer.text[:500]}")
        return answer

    def _hint(self, answer: httpx.Response) -> str:
        if answer.status_code in (401, 403):
            return ": check RAPPORT_REGISTRY_USER and RAPPORT_REGISTRY_PASSWORD_FILE, and what the user may read"
        message = self._error(answer).message
        return f": {message[:200]}" if message else ""

    def _read(self, answer: httpx.Response, kind: Any) -> Any:
        if len(answer.content) > 2 * MAX_SCHEMA_BYTES:
            raise RegistryRefused(f"the registry's answer has {len(answer.content):,} bytes: the schema is too large")
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryUnavailable(f"{self._name} does not answer as a Schema Registry does: {error}") from None

    @staticmethod
    def _error(answer: httpx.Response) -> _Error:
        try:
            return msgspec.json.decode(answer.content, type=_Error)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _Error()

    @property
    def _name(self) -> str:
        return f"the Schema Registry at {self.url}"


def open_registry(settings: Settings) -> Registry | None:
    """The installation's registry; None: it has none.

    Raises:
        SettingsError: the address is none or holds a password, or a file is missing.
    """
    if not settings.registry_url:
        return None
    parts = urlsplit(settings.registry_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("RAPPORT_REGISTRY_URL is no address: http://host:port or https://host:port is allowed")
    if parts.username or parts.password:
        raise SettingsError(
            "RAPPORT_REGISTRY_URL holds a user: set RAPPORT_REGISTRY_USER, and RAPPORT_REGISTRY_PASSWORD_FILE to a "
            "file with the password, so that it is in no log"
        )
    password = _text_of(settings.registry_password_file, "RAPPORT_REGISTRY_PASSWORD_FILE").strip()
    if password and not settings.registry_user:
        raise SettingsError("RAPPORT_REGISTRY_PASSWORD_FILE is set, but not RAPPORT_REGISTRY_USER: set both or neither")
    _text_of(settings.registry_ca_file, "RAPPORT_REGISTRY_CA_FILE")
    ca_file = Path(settings.registry_ca_file) if settings.registry_ca_file else None
    return Registry(settings.registry_url, settings.registry_user, password, ca_file)


def _text_of(path: str, setting: str) -> str:
    try:
        return Path(path).read_text() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}={path} cannot be read: {error}") from None
