"""Every error that Rapport raises on purpose.

    RapportError
    ├── SettingsError         an environment variable is unknown or out of range
    ├── DeclarationError      a feature declaration that cannot be computed
    ├── AccessError           keys, tokens and the files that they are in
    ├── EventError            one event that cannot be accepted (goes to the dead letters)
    ├── MappingError          a mapping file or the data file that it describes
    ├── SignatureRefused      a webhook that its source has not signed
    ├── ToolRefused           a language model's call of a tool that was not run
    ├── PolicyError           the decision policy's or the response templates' file
    ├── BusError
    │   ├── BusUnavailable    the bus does not answer
    │   ├── BusFull           the bus refuses more until consumers catch up
    │   ├── PositionMoved     another worker has moved the position that this one read
    │   └── RecordsGone       the bus no longer holds what comes after a position
    ├── StoreError
    │   ├── StoreUnavailable  the online store does not answer in time
    │   ├── RowCorrupt        a stored row that is not in the documented format
    │   └── Fenced            a row was changed by another writer since it was read
    ├── RegistryError
    │   ├── RegistryUnavailable  the Schema Registry does not answer
    │   └── RegistryRefused   it refuses a schema, or has one that cannot be used
    ├── ArchiveError
    ├── EdgeError             the edge's buffer or way to the decision service
    │   ├── EdgeFull          the buffer has no room: come back later
    │   └── EdgeUnwritable    the buffer's disk does not take events
    ├── ModelError
    │   ├── ModelRefused      a model folder that does not match its manifest or the declared features
    │   ├── NoChampion        no version carries the alias `champion`
    │   └── TooFewDecisions   the decision log is too short to be compared with anything
    └── ServiceError          a process of `rapport up` cannot be started, reached or stopped
        ├── RequestRefused    the decision service was reached and refused a request
        └── ServiceUnavailable  it is not reached, cuts off, or answers 5xx
            ├── DeadlinePassed  no answer within the call's deadline
            └── CircuitOpen     it failed too often, and is left alone for a while

A message says what is wrong, where, what is allowed, and what the operator can do.
"""

from __future__ import annotations


class RapportError(Exception):
    """Base of all errors that Rapport raises on purpose. `exit_code` is the command line's."""

    exit_code = 1


class SettingsError(RapportError):
    exit_code = 2


class DeclarationError(RapportError):
    """A feature declaration that cannot be computed; names the view, the aggregation and the choices."""

    exit_code = 2


class AccessError(RapportError):
    """A key, a token's key or the file that it is in; names no secret."""

    exit_code = 2


class EventError(RapportError):
    """One event that cannot be accepted.

    Attributes:
        field: dotted path of the offending field, "" for the event as a whole.
        reason: a short stable code for counting (`bad_json`, `missing_field`, `bad_value`, `future_event`, …).
        detail: one sentence for people; quotes at most 80 characters of the value.
    """

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.reason = reason
        self.field = field
        self.detail = detail


class MappingError(RapportError):
    exit_code = 2


class SignatureRefused(RapportError):  # noqa: N818
    """A webhook's request that its source has not signed.

    Attributes:
        reason: missing_signature, bad_signature or stale_signature.
        field: the header.
        detail: one sentence for people; never quotes a signature or a secret.
    """

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.reason = reason
        self.field = field
        self.detail = detail


class ToolRefused(RapportError):  # noqa: N818
    """A call of a tool that was not run; the message is for the language model, and says what would be right."""


class PolicyError(RapportError):
    """A policy or template file that cannot be used; names the rule or template, the value and the choices."""

    exit_code = 2


class BusError(RapportError):
    exit_code = 3


class BusUnavailable(BusError):  # noqa: N818 - a state of the world, named as its callers read it
    pass


class BusFull(BusError):  # noqa: N818
    pass


class PositionMoved(BusError):  # noqa: N818
    pass


class RecordsGone(BusError):  # noqa: N818
    """Retention removed records before they were read; the message says which, and how to go on."""


class StoreError(RapportError):
    exit_code = 3


class StoreUnavailable(StoreError):  # noqa: N818
    pass


class RowCorrupt(StoreError):  # noqa: N818
    """Stored rows that are not in the documented format; `rows` has their places in the call's argument."""

    def __init__(self, message: str, *, rows: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.rows = rows


class Fenced(StoreError):  # noqa: N818
    pass


class RegistryError(RapportError):
    exit_code = 3


class RegistryUnavailable(RegistryError):  # noqa: N818
    pass


class RegistryRefused(RegistryError):  # noqa: N818
    pass


class ArchiveError(RapportError):
    exit_code = 3


class EdgeError(RapportError):
    exit_code = 3


class EdgeFull(EdgeError):  # noqa: N818
    pass


class EdgeUnwritable(EdgeError):  # noqa: N818
    pass


class ModelError(RapportError):
    exit_code = 4


class ModelRefused(ModelError):  # noqa: N818
    pass


class NoChampion(ModelError):  # noqa: N818
    pass


class TooFewDecisions(ModelError):  # noqa: N818
    pass


class ServiceError(RapportError):
    exit_code = 5


class RequestRefused(ServiceError):  # noqa: N818
    """The decision service refused a request.

    Attributes:
        status: the HTTP status.
        field: dotted path of the offending field, "" for the request as a whole.
        reason: the stable code of the refusal.
        detail: one sentence for people.
    """

    def __init__(self, status: int, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.status = status
        self.reason = reason
        self.field = field
        self.detail = detail


class ServiceUnavailable(ServiceError):  # noqa: N818
    pass


class DeadlinePassed(ServiceUnavailable):
    pass


class CircuitOpen(ServiceUnavailable):
    pass
