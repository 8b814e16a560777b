"""API keys: shown once, kept as a hash, ended when they are to end."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.access import Gate, KeyFile, create_key, keys_path, revoke_key, rotate_key
from rapport.access.keys import split_key
from rapport.errors import AccessError
from rapport.intake.refusal import Refusal
from rapport.settings import load_settings

NOW_US = 1_800_000_000_000_000
HOUR_US = 3_600_000_000


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "access" / "keys.json")


def gate_of(folder: Path, mode: str = "production", **more: str) -> Gate:
    env = {f"RAPPORT_{name.upper()}": value for name, value in more.items()}
    return Gate(load_settings({"RAPPORT_MODE": mode, **env}, root=folder))


def refusal(gate: Gate, authorization: str | None, scope: str = "decide", *, basic: bool = False) -> Refusal:
    with pytest.raises(Refusal) as caught:
        gate.admit(authorization, scope, basic=basic)
    return caught.value


def test_the_file_has_no_secret_and_is_its_owners(file: KeyFile) -> None:
    key, text = create_key(file, "bot", ["decide"], NOW_US)
    parts = split_key(text)
    assert parts is not None and parts[0] == key.id
    kept = file.path.read_text()
    assert parts[1] not in kept and key.hash in kept and len(key.salt) == 32
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert not file.is_open
    assert key.fits(parts[1]) and not key.fits(parts[1][:-1] + ("0" if parts[1][-1] != "0" else "1"))


def test_the_same_secret_has_another_hash_in_another_key(file: KeyFile) -> None:
    first, second = (create_key(file, "bot", ["decide"], NOW_US)[0] for _ in range(2))
    assert first.salt != second.salt and first.hash != second.hash


@given(st.text(max_size=100))
def test_no_other_text_is_a_key(text: str) -> None:
    assert split_key(text) is None
    assert split_key(f"rapport_{text}") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"scopes": []}, "no scope is given"),
        ({"scopes": ["decide", "everything"]}, "no scope 'everything'; scopes are decide"),
        ({"scopes": ["decide"], "tenant": "Shop"}, "'Shop' is no tenant"),
        ({"scopes": ["decide"], "tenant": ""}, "'' is no tenant"),
        ({"scopes": ["decide"], "tenant": "a:b"}, "is no tenant"),
        ({"scopes": ["decide", "admin"], "tenant": "shop"}, "admin tells of all tenants"),
        ({"scopes": ["decide"], "rate_per_s": 0.0}, "rate of 0 is out of range"),
        ({"scopes": ["decide"], "expires_us": NOW_US}, "would have ended already"),
    ],
)
def test_what_is_not_allowed_is_said(file: KeyFile, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(AccessError, match=said):
        create_key(file, "bot", now_us=NOW_US, **arguments)  # type: ignore[arg-type]
    assert file.read() == []


def test_a_key_ends_when_it_expires_is_revoked_or_rotated(file: KeyFile) -> None:
    expiring, _ = create_key(file, "a", ["decide"], NOW_US, expires_us=NOW_US + HOUR_US)
    assert [expiring.state(NOW_US + at) for at in (0, HOUR_US - 1, HOUR_US)] == ["valid", "valid", "expired"]
    assert revoke_key(file, expiring.id, NOW_US + 5).state(NOW_US + 5) == "revoked"
    with pytest.raises(AccessError, match="is revoked: make a new one"):
        rotate_key(file, expiring.id, NOW_US + 6, HOUR_US)
    old, old_text = create_key(file, "b", ["decide", "events:write"], NOW_US, tenant="shop", rate_per_s=5)
    new, new_text = rotate_key(file, old.id, NOW_US, HOUR_US)
    assert new_text != old_text
    assert (new.name, new.scopes, new.tenant, new.rate_per_s) == (old.name, old.scopes, old.tenant, old.rate_per_s)
    kept = {key.id: key for key in file.read()}
    assert kept[old.id].state(NOW_US + HOUR_US - 1) == "valid" and kept[old.id].state(NOW_US + HOUR_US) == "expired"
    assert new.state(NOW_US + 10 * HOUR_US) == "valid"


def test_a_rotated_key_lasts_as_long_as_the_old_one(file: KeyFile) -> None:
    old, _ = create_key(file, "a", ["decide"], NOW_US, expires_us=NOW_US + 10 * HOUR_US)
    new, _ = rotate_key(file, old.id, NOW_US + 9 * HOUR_US, 5 * HOUR_US)
    assert new.expires_us == NOW_US + 19 * HOUR_US
    assert {key.id: key.expires_us for key in file.read()}[old.id] == NOW_US + 10 * HOUR_US


def test_an_unknown_id_is_said(file: KeyFile) -> None:
    for change in (lambda: revoke_key(file, "nobody", NOW_US), lambda: rotate_key(file, "nobody", NOW_US, 0)):
        with pytest.raises(AccessError, match="no key has the id 'nobody'"):
            change()


def test_many_may_make_keys_at_the_same_time(file: KeyFile) -> None:
    threads = [
        threading.Thread(target=lambda: [create_key(file, "x", ["decide"], NOW_US) for _ in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.id for key in file.read()}) == 40


def test_the_gate_sees_changes_and_survives_a_broken_file(tmp_path: Path) -> None:
    gate = gate_of(tmp_path)
    file = KeyFile(keys_path(load_settings({}, root=tmp_path)))
    key, text = create_key(file, "bot", ["decide"], NOW_US)
    assert refusal(gate, f"Bearer {text}").reason == "bad_credential"
    gate.refresh()
    assert gate.admit(f"Bearer {text}", "decide").caller.name == f"key:{key.id}"
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:-20])
    gate.refresh()
    assert "is not a file of keys" in (gate.problem or "")
    assert gate.admit(f"Bearer {text}", "decide")
    file.path.write_bytes(whole)
    revoke_key(file, key.id, NOW_US)
    gate.refresh()
    assert gate.problem is None and refusal(gate, f"Bearer {text}").reason == "expired_credential"
    file.path.unlink()
    gate.refresh()
    assert refusal(gate, f"Bearer {text}").reason == "bad_credential"


def test_what_the_gate_asks_for(tmp_path: Path) -> None:
    file = KeyFile(keys_path(load_settings({}, root=tmp_path)))
    key, text = create_key(file, "bot", ["decide"], NOW_US, rate_per_s=0.5)
    gate = gate_of(tmp_path)
    none = refusal(gate, None)
    assert (none.status, none.reason) == (401, "missing_credential")
    assert none.headers["WWW-Authenticate"] == 'Bearer realm="rapport"'
    assert "Basic" in refusal(gate, None, basic=True).headers["WWW-Authenticate"]
    for given_header in (f"Basic {text}", text, "Bearer", "Digest x", ""):
        assert refusal(gate, given_header).status == 401, given_header
    foreign = refusal(gate, f"Bearer {text}", "events:write")
    assert (foreign.status, foreign.reason) == (403, "missing_scope")
    assert 'error="insufficient_scope", scope="events:write"' in foreign.headers["WWW-Authenticate"]
    headers = dict(gate.admit(f"bearer  {text}", "decide").headers)
    assert headers["RateLimit-Policy"] == '"caller";q=1;w=2'
    many = refusal(gate, f"Bearer {text}")
    assert (many.status, many.reason, many.headers["Retry-After"]) == (429, "rate_limited", "2")
    assert key.id not in str(json.loads(many.body())) and text not in str(many.headers)


def test_development_asks_nobody_but_checks_what_is_given(tmp_path: Path) -> None:
    gate = gate_of(tmp_path, "development")
    assert gate.admit(None, "admin").caller.name == "local"
    assert refusal(gate, "Bearer rapport_000000000000_" + "0" * 64).reason == "bad_credential"


def test_a_browser_may_give_the_key_as_a_password(tmp_path: Path) -> None:
    import base64

    file = KeyFile(keys_path(load_settings({}, root=tmp_path)))
    _, text = create_key(file, "ops", ["admin"], NOW_US)
    gate = gate_of(tmp_path)
    login = "Basic " + base64.b64encode(f"ops:{text}".encode()).decode()
    assert gate.admit(login, "admin", basic=True)
    assert refusal(gate, login, "admin").reason == "missing_credential"
    for wrong in ("Basic ====", "Basic " + base64.b64encode(b"\xff").decode(), "Basic b3BzOng="):
        assert refusal(gate, wrong, "admin", basic=True).status == 401
