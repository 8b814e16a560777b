"""`chatbots.yaml`: which platforms are served, and where each of them says who the customer is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from rapport.mapping.checking import structure
from rapport.mapping.yaml_lines import LocatedYaml, read_yaml

__all__ = [
    "DEFAULT_BOTS",
    "BotFramework",
    "Bots",
    "Chatwoot",
    "DialogflowCx",
    "DialogflowEs",
    "LoadedBots",
    "Rasa",
    "load_bots",
]

Path_ = Annotated[str, Meta(min_length=1, max_length=256)]
Paths = Annotated[tuple[Path_, ...], Meta(min_length=1, max_length=8)]
Prefix = Annotated[str, Meta(max_length=32, pattern="^[A-Za-z0-9_]*$")]
Url = Annotated[str, Meta(max_length=512, pattern=r"^https?://[^\s/@]+(/[^\s?#]*)?$")]
_LOCAL = re.compile(r"^http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$)")


_SHORTEST_SECRET = 16


class _Bot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    record: bool = True
    """Whether what customers write is recorded as events of `chat_messages`, after it was answered."""
    say: bool = True
    """Whether the answer has the text to say, or the tags alone."""


class Rasa(_Bot, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action server for Rasa."""

    customer: Paths = ("tracker.sender_id",)
    prefix: Prefix = ""
    """What stands before each tag in the name of its slot."""


class DialogflowEs(_Bot, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook for Dialogflow ES."""

    customer: Paths = (
        "originalDetectIntentRequest.payload.userId",
        "originalDetectIntentRequest.payload.user.userId",
        "$session",
    )
    context: Annotated[str, Meta(pattern="^[a-z0-9_-]{1,64}$")] = "rapport"
    """The output context that has the tags."""
    lifespan: Annotated[int, Meta(ge=1, le=100)] = 5
    """For how many turns."""


class DialogflowCx(_Bot, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook for Dialogflow CX."""

    customer: Paths = ("payload.userId", "$session")
    prefix: Prefix = "rapport_"
    """What stands before each tag in the name of its session parameter."""


class Chatwoot(_Bot, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent bot of Chatwoot."""

    url: Url
    """Chatwoot's address, which answers are sent to."""
    token_file: str
    """File with the bot's access token."""
    secret_file: str
    """File with the secret that it signs with."""
    customer: Paths = ("conversation.meta.sender.identifier", "sender.identifier")
    timeout_s: Annotated[float, Meta(ge=0.1, le=30)] = 5.0
    tolerance_s: Annotated[int, Meta(ge=1, le=3_600)] = 300


class BotFramework(_Bot, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bot behind Microsoft's Bot Framework."""

    app_id: Annotated[str, Meta(min_length=1, max_length=128)]
    """Who requests must be meant for."""
    password_file: str = ""
    """File with the app's password, which answers to the connector need. Empty: only `expectReplies` is answered."""
    tenant: Annotated[str, Meta(pattern="^[A-Za-z0-9.-]{1,128}$")] = "botframework.com"
    customer: Paths = ("from.aadObjectId", "from.id")
    openid_url: Url = "https://login.botframework.com/v1/.well-known/openidconfiguration"
    issuer: str = "https://api.botframework.com"
    login_url: Url = "https://login.microsoftonline.com"
    timeout_s: Annotated[float, Meta(ge=0.1, le=30)] = 5.0


class Bots(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The platforms that are served; None: not."""

    rasa: Rasa | None = None
    dialogflow_es: DialogflowEs | None = None
    dialogflow_cx: DialogflowCx | None = None
    chatwoot: Chatwoot | None = None
    bot_framework: BotFramework | None = None


DEFAULT_BOTS = Bots(rasa=Rasa(), dialogflow_es=DialogflowEs(), dialogflow_cx=DialogflowCx())
"""Without a file: the platforms that need no secrets."""


@dataclass(frozen=True, slots=True)
class LoadedBots:
    """A file that is right.

    Attributes:
        bots: what it says.
        secrets: the lines of each secret's file, by its key, as `chatwoot.token_file`.
        files: the files that were read.
    """

    bots: Bots
    files: tuple[Path, ...] = ()
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)


def load_bots(path: Path) -> LoadedBots:
    """The platforms of a file; without one, those that need no secrets.

    Raises:
        MappingError: the file is wrong, or one of its secrets cannot be read; names line, key and what is allowed.
    """
    if not path.exists():
        return LoadedBots(DEFAULT_BOTS)
    document = read_yaml(path)
    bots = structure(document, Bots)
    for key, url in _urls(bots).items():
        if url.startswith("http://") and not _LOCAL.match(url):
            said = f"{url}: secrets go there, so it must be https:// (http:// on this machine only)"
            raise document.error(said, f".{key}")
    paths = {key: path.parent / file for key, file in _secret_files(bots).items()}
    secrets = {key: _secret(document, file, key) for key, file in paths.items()}
    return LoadedBots(bots, (path, *paths.values()), secrets)


def _urls(bots: Bots) -> dict[str, str]:
    chatwoot, framework = bots.chatwoot, bots.bot_framework
    found = {"chatwoot.url": chatwoot.url} if chatwoot else {}
    if framework:
        found["bot_framework.openid_url"] = framework.openid_url
        found["bot_framework.login_url"] = framework.login_url
    return found


def _secret_files(bots: Bots) -> dict[str, str]:
    chatwoot, framework = bots.chatwoot, bots.bot_framework
    found: dict[str, str] = {}
    if chatwoot:
        found |= {"chatwoot.token_file": chatwoot.token_file, "chatwoot.secret_file": chatwoot.secret_file}
    if framework and framework.password_file:
        found["bot_framework.password_file"] = framework.password_file
    return found


def _secret(document: LocatedYaml, path: Path, key: str) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise document.error(f"{path} cannot be read; put the secret there", f".{key}") from None
    found = tuple(line.strip() for line in lines if line.strip())
    if not found or min(map(len, found)) < _SHORTEST_SECRET:
        raise document.error(f"{path} must hold secrets of at least {_SHORTEST_SECRET} characters", f".{key}")
    return found
