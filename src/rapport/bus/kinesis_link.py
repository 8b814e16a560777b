"""Reaching Kinesis: the address, the client, and its errors as the bus's. Credentials are boto3's own matter."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from rapport.errors import BusError, BusUnavailable, SettingsError

if TYPE_CHECKING:
    from rapport.settings import Settings

__all__ = ["SCHEME", "CallRefused", "IteratorExpired", "KinesisLink", "Throttled"]

SCHEME = "kinesis://"
CONNECTIONS = 16
"""Calls that are on their way at a time."""
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_PREFIX = re.compile(r"[a-zA-Z0-9_.-]{0,64}")
_ENDPOINT = re.compile(r"https?://[a-zA-Z0-9.-]+(:[0-9]{1,5})?/?")
_THROTTLED = (
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "KMSThrottlingException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
)
_AGAIN = (
    "InternalFailure",
    "InternalFailureException",
    "ServiceUnavailable",
    "ExpiredTokenException",
    "RequestTimeout",
)
_REFUSED = ("InvalidArgumentException", "ValidationException")


class Throttled(BusUnavailable):
    """Kinesis asks to be called less often."""


class IteratorExpired(BusError):  # noqa: N818
    """A place in a shard that Kinesis kept for five minutes and no longer knows."""


class CallRefused(BusError):  # noqa: N818
    """An argument that Kinesis does not take."""


class KinesisLink:
    """Kinesis in one region. Safe for threads; nothing is connected until used.

    Args:
        region: AWS's name of it.
        prefix: before the name of each topic's stream.
        endpoint: another address than the region's own; "": that one.
        timeout_s: longest wait for an answer, seconds; then BusUnavailable.
    """

    def __init__(self, region: str, *, prefix: str = "", endpoint: str = "", timeout_s: float = 5.0) -> None:
        self._region = region
        self._prefix = prefix
        self._endpoint = endpoint
        self.timeout_s = timeout_s
        self._lock = threading.Lock()
        self._client: Any = None

    @classmethod
    def of(cls, settings: Settings, *, timeout_s: float = 5.0) -> KinesisLink:
        """The one that RAPPORT_BUS_URL names.

        Raises:
            SettingsError: an address that cannot be right.
        """
        region, _, query = settings.bus_url.removeprefix(SCHEME).partition("?")
        given = dict(parse_qsl(query, keep_blank_values=True))
        prefix, endpoint = given.get("prefix", ""), given.get("endpoint", "")
        sound = settings.bus_url.startswith(SCHEME) and _REGION.fullmatch(region) and given.keys() <= {*_OPTIONS}
        if not sound or not _PREFIX.fullmatch(prefix) or (endpoint and not _ENDPOINT.fullmatch(endpoint)):
            # Never quoted: somebody may have put a secret there.
            raise SettingsError(
                "RAPPORT_BUS_URL is not an address of Kinesis: kinesis://REGION, or kinesis://REGION?prefix=shop.&"
                "endpoint=https://host:port, is allowed; credentials are found by boto3 (environment, profile, role)"
            )
        return cls(region, prefix=prefix, endpoint=endpoint, timeout_s=timeout_s)

    def stream(self, topic: str) -> str:
        """The name of a topic's stream."""
        return f"{self._prefix}{topic}"

    def call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        """One call; never repeated here.

        Raises:
            Throttled, IteratorExpired, CallRefused
            BusUnavailable: no answer, or one that may be another one soon.
            BusError: what a repetition would not cure: no credentials, no permission, no such stream.
        """
        import botocore.exceptions as exceptions

        try:
            answer: Mapping[str, Any] = getattr(self._connected(), operation)(**arguments)
        except exceptions.ClientError as error:
            raise self._of_answer(operation, arguments.get("StreamName", ""), error) from error
        except (exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
            raise BusUnavailable(f"Kinesis does not answer {operation}: {error}") from error
        except exceptions.BotoCoreError as error:
            raise BusError(f"Kinesis cannot be called ({operation}): {error}") from error
        return answer

    def _of_answer(self, operation: str, stream: str, error: Any) -> BusError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        where = f"Kinesis, {operation} {stream}".rstrip()
        if code in _THROTTLED:
            return Throttled(f"{where}: {code}; it is called less often for a while")
        if code == "ExpiredIteratorException":
            return IteratorExpired(f"{where}: {code}")
        if code in _REFUSED:
            return CallRefused(f"{where}: {error}")
        if code in _AGAIN or status >= 500:
            return BusUnavailable(f"{where}: {error}")
        if code == "ResourceNotFoundException":
            return BusError(
                f"{where}: there is no such stream or shard in {self._region}. Rapport creates none, as they cost "
                f"by the hour: `aws kinesis create-stream --stream-name {stream or 'NAME'}`, or correct prefix and "
                "region in RAPPORT_BUS_URL"
            )
        return BusError(f"{where}: {error}; docs/kinesis.md lists the permissions that are needed")

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                import boto3
                from botocore.config import Config

                self._client = boto3.session.Session().client(
                    "kinesis",
                    region_name=self._region,
                    endpoint_url=self._endpoint or None,
                    config=Config(
                        connect_timeout=self.timeout_s,
                        read_timeout=self.timeout_s,
                        max_pool_connections=CONNECTIONS,
                        # Repeated here, where it is known what that means.
                        retries={"total_max_attempts": 1},
                    ),
                )
            return self._client


_OPTIONS = ("prefix", "endpoint")
