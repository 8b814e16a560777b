"""chatbots.yaml: what it may say, and what its errors name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rapport.chatbots import load_bots
from rapport.chatbots.declared import DEFAULT_BOTS
from rapport.errors import MappingError

LONG = "x" * 16


def test_without_a_file_the_platforms_without_secrets_are_served(tmp_path: Path) -> None:
    assert load_bots(tmp_path / "chatbots.yaml").bots == DEFAULT_BOTS
    assert DEFAULT_BOTS.rasa and not DEFAULT_BOTS.chatwoot


def test_a_file_names_what_is_served(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(f"{LONG}\n{LONG}2\n")
    (tmp_path / "bots.yaml").write_text(
        "rasa: {customer: [tracker.slots.account], prefix: rapport_}\n"
        "chatwoot: {url: https://chat.example, token_file: s, secret_file: s}\n"
    )
    loaded = load_bots(tmp_path / "bots.yaml")
    assert loaded.bots.rasa and loaded.bots.rasa.customer == ("tracker.slots.account",)
    assert loaded.bots.dialogflow_es is None
    assert loaded.secrets["chatwoot.secret_file"] == (LONG, f"{LONG}2")
    assert LONG not in repr(loaded)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rasa: {customers: [x]}", "customers"),
        ("rasa: {customer: []}", "customer"),
        ("slack: {}", "slack"),
        ("dialogflow_es: {lifespan: 0}", "lifespan"),
        ("dialogflow_cx: {prefix: 'a b'}", "prefix"),
        ("rasa: {}\nrasa: {}", "twice"),
        ("chatwoot: {url: https://a.example, secret_file: none, token_file: none}", "cannot be read"),
        ("chatwoot: {url: https://a.example, secret_file: short, token_file: short}", "at least 16"),
        ("chatwoot: {url: http://a.example, secret_file: short, token_file: short}", "https://"),
        ("chatwoot: {url: 'https://u:p@a.example', secret_file: s, token_file: s}", "url"),
        ("bot_framework: {app_id: a, login_url: http://a.example}", "https://"),
        ("bot_framework: {}", "app_id"),
    ],
)
def test_errors_name_the_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "short").write_text("x")
    (tmp_path / "bots.yaml").write_text(text)
    with pytest.raises(MappingError) as caught:
        load_bots(tmp_path / "bots.yaml")
    assert said in str(caught.value) and "line" in str(caught.value)
