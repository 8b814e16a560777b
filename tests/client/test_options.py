"""What a client is told: from the environment, from files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rapport.client import ClientOptions
from rapport.errors import SettingsError


def test_address_and_key_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-the-file\n")
    env = {"RAPPORT_SERVICE_URL": "https://rapport.example", "RAPPORT_SERVICE_KEY": "from-the-environment"}
    assert ClientOptions.from_env(env).key == "from-the-environment"
    given = ClientOptions.from_env({**env, "RAPPORT_SERVICE_KEY_FILE": str(file)}, deadline_ms=90)
    assert (given.url, given.key, given.deadline_ms) == ("https://rapport.example", "from-the-file", 90)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"url": "rapport:8400"}, "starts with http"),
        ({"deadline_ms": 0}, "1 to 60000"),
        ({"key": "two words"}, "no spaces"),
        ({"ca_file": Path("missing.pem")}, "missing.pem: there is no such file"),
        ({"defaults": {"offers": []}}, r"defaults\['offers'\] is a list"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ClientOptions(**values)


def test_a_key_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "missing"):
        with pytest.raises(SettingsError, match=name):
            ClientOptions.from_env({"RAPPORT_SERVICE_KEY_FILE": str(tmp_path / name)})
