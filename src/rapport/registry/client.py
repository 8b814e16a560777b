"""A Schema Registry by its HTTP API, Confluent's: https://docs.confluent.io/platform/current/schema-registry/develop/api.html"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
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

_KINDS: dict[str, Kind] = {"AVRO": "AVRO", "JSON": "JSON", "PROTOBUF": "PROTOBUF"}
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


class _Reply(NamedTuple):
    """What the registry replied."""

    path: str
    status: int
    body: bytes

    @property
    def error(self) -> _Error:
        try:
            return msgspec.json.decode(self.body, type=_Error)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _Error()


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
        found = self._get(f"/schemas/ids/{schema_id}?format=serialized", _NO_SCHEMA)
        if found is None:
            return None
        kind = _KINDS.get(found.kind)
        if kind is None:
            raise RegistryRefused(f"schema {schema_id} is in {found.kind[:40]!r}; {', '.join(_KINDS)} are read")
        references: dict[str, str] = {}
        self._refer(found, references)
        size = len(found.schema) + sum(map(len, references.values()))
        if size > MAX_SCHEMA_BYTES:
            raise RegistryRefused(f"schema {schema_id} has {size:,} bytes; {MAX_SCHEMA_BYTES:,} are allowed")
        return RegisteredSchema(kind=kind, text=found.schema, references=references)

    def is_compatible(self, subject: str, kind: Kind, text: str) -> tuple[bool, list[str]]:
        """Whether a schema may follow those of a subject, by the subject's own level; and what the registry says.

        Raises:
            RegistryUnavailable
            RegistryRefused: it is no schema.
        """
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions?verbose=true"
        reply = self._post(path, kind, text)
        if reply.status == 404 and reply.error.error_code in (_NO_SUBJECT, _NO_VERSION):
            return True, []
        said = self._accepted(reply, subject)
        return bool(said.get("is_compatible")), [str(one) for one in said.get("messages") or ()]

    def find(self, subject: str, kind: Kind, text: str) -> int | None:
        """The id of a schema that the subject has already; None: it has not.

        Raises:
            RegistryUnavailable, RegistryRefused
        """
        reply = self._post(f"/subjects/{quote(subject, safe='')}", kind, text)
        if reply.status == 404 and reply.error.error_code in (_NO_SUBJECT, _NO_SCHEMA):
            return None
        return int(self._accepted(reply, subject)["id"])

    def register(self, subject: str, kind: Kind, text: str) -> int:
        """Register a schema; gives its id, also when it was there.

        Raises:
            RegistryUnavailable
            RegistryRefused: it is not compatible with the subject's others, or no schema; in the registry's words.
        """
        reply = self._post(f"/subjects/{quote(subject, safe='')}/versions", kind, text)
        return int(self._accepted(reply, subject)["id"])

    def _refer(self, schema: _Answer, into: dict[str, str]) -> None:
        """Fetch what a schema refers to, depth first, so that each text comes after those it needs."""
        for one in schema.references:
            if one.name in into:
                continue
            if len(into) >= _MAX_REFERENCES:
                raise RegistryRefused(f"a schema refers to more than {_MAX_REFERENCES} others")
            into[one.name] = ""
            path = f"/subjects/{quote(one.subject, safe='')}/versions/{one.version}?format=serialized"
            found = self._get(path, _NO_SUBJECT, _NO_VERSION)
            if found is None:
                raise RegistryRefused(f"a schema refers to {one.subject!r}, which the registry does not have")
            self._refer(found, into)
            del into[one.name]
            into[one.name] = found.schema

    def _get(self, path: str, *none: int) -> _Answer | None:
        """The schema; None: 404 with one of the codes `none`, which are the registry's own for what is not there.

        Whatever else is replied is no fault of the schema, nor of the event that needs it: the registry is unavailable.
        """
        reply = self._ask("GET", path, None)
        if reply.status == 404 and reply.error.error_code in none:
            return None
        if reply.status != 200:
            raise self._unavailable(reply)
        found: _Answer = self._read(reply, _Answer)
        return found

    def _post(self, path: str, kind: Kind, text: str) -> _Reply:
        body = {"schema": text} if kind == "AVRO" else {"schema": text, "schemaType": kind}
        return self._ask("POST", path, msgspec.json.encode(body))

    def _accepted(self, reply: _Reply, subject: str) -> dict[str, Any]:
        """What is replied to a POST."""
        if reply.status in (400, 404, 409, 422) and reply.error.message:
            raise RegistryRefused(f"{subject}: {reply.error.message}")
        if reply.status != 200:
            raise self._unavailable(reply)
        said: dict[str, Any] = self._read(reply, dict[str, Any])
        return said

    def _ask(self, method: str, path: str, body: bytes | None) -> _Reply:
        import httpx

        headers = {"Accept": "application/vnd.schemaregistry.v1+json"}
        if body is not None:
            headers["Content-Type"] = headers["Accept"]
        try:
            # A schema is asked for once in its life: no connection is kept for the next.
            with (
                httpx.Client(timeout=_TIMEOUT_S, auth=self._login, verify=self._tls(), trust_env=False) as http,
                http.stream(method, self.url + path, content=body, headers=headers) as answer,
            ):
                return _Reply(path.partition("?")[0], answer.status_code, _bounded(answer))
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"{self._name} does not answer: {type(error).__name__}: {error}") from None

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

    def _unavailable(self, reply: _Reply) -> RegistryUnavailable:
        hint = f": {reply.error.message[:200]}" if reply.error.message else ""
        if reply.status in (401, 403):
            hint = ": check RAPPORT_REGISTRY_USER and RAPPORT_REGISTRY_PASSWORD_FILE, and what the user may do"
        elif reply.status < 500 and not reply.error.error_code:
            hint = ": RAPPORT_REGISTRY_URL has to be what stands before /schemas and /subjects in the registry's API"
        return RegistryUnavailable(f"{self._name} answers {reply.path} with {reply.status}{hint}")

    def _read(self, reply: _Reply, kind: Any) -> Any:
        try:
            return msgspec.json.decode(reply.body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryUnavailable(f"{self._name} does not answer as a Schema Registry does: {error}") from None

    @property
    def _name(self) -> str:
        return f"the Schema Registry at {self.url}"


def _bounded(answer: httpx.Response) -> bytes:
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > 2 * MAX_SCHEMA_BYTES:
            raise RegistryRefused(f"the answer is too large: a schema has at most {MAX_SCHEMA_BYTES:,} bytes")
    return body


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
