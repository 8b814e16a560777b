"""What checking a caller costs: a key, a token, and a decision with and without them.

In the process beside what cannot be left out (the hash, the signature); over HTTP beside the same decision of the same
service without a credential, turn by turn.
"""

from __future__ import annotations

import hashlib
import hmac
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from benchmarks.decision_asking import Figures, ask
from benchmarks.decision_world import serving_project
from benchmarks.frame import Measurement
from rapport.access import Gate, KeyFile, create_key, keys_path
from rapport.settings import load_settings
from rapport.testing.served import Served

__all__ = ["measure"]

ISSUER, AUDIENCE = "https://login.shop.example", "rapport"


def measure(quick: bool) -> list[Measurement]:
    """Microseconds of a check, milliseconds of a decision."""
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder:
        checks = _checks(Path(folder), 2_000 if quick else 20_000)
    return [*checks, *_decisions(3 if quick else 7, 1 if quick else 2)]


def _checks(folder: Path, times: int) -> list[Measurement]:
    private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "issuer.pem").write_bytes(pem)
    given = {"MODE": "production", "JWT_ALGORITHM": "EdDSA", "JWT_KEY_FILE": "issuer.pem", "JWT_ISSUER": ISSUER}
    env = {f"RAPPORT_{name}": value for name, value in {**given, "JWT_AUDIENCE": AUDIENCE}.items()}
    settings = load_settings({**env, "RAPPORT_RATE_PER_S": "1000000"}, root=folder)
    file = KeyFile(keys_path(settings))
    for number in range(100):
        _, text = create_key(file, f"bot {number}", ["decide"], 1)
    gate = Gate(settings)
    header = f"Bearer {text}"
    tokens = [_token(private, number) for number in range(times // 10)]
    seen = f"Bearer {tokens[0]}"
    fresh, bare = iter(tokens), iter(tokens)

    def verify() -> object:
        return jwt.decode(next(bare), public, algorithms=["EdDSA"], issuer=ISSUER, audience=AUDIENCE)

    return [
        _beside(
            "a key is checked",
            lambda: gate.admit(header, "decide"),
            "the HMAC-SHA256 alone",
            lambda: hmac.digest(b"s" * 32, b"k" * 64, "sha256").hex(),
            times,
        ),
        _beside(
            "a token that was seen is checked",
            lambda: gate.admit(seen, "decide"),
            "the SHA-256 alone",
            lambda: hashlib.sha256(seen.encode()).digest(),
            times,
        ),
        _beside(
            "a new token is verified",
            lambda: gate.admit(f"Bearer {next(fresh)}", "decide"),
            "PyJWT alone",
            verify,
            len(tokens),
        ),
    ]


def _token(private: ed25519.Ed25519PrivateKey, number: int) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"bot-{number}", "tenant": "*", "scope": "decide"}
    return jwt.encode({**claims, "exp": int(time.time()) + 3_600}, private, "EdDSA")


def _beside(name: str, ours: Callable[[], object], peer: str, floor: Callable[[], object], times: int) -> Measurement:
    """Processor time of both, in turns of a tenth; medians of the turns' means."""
    turns: tuple[list[float], list[float]] = [], []
    for _ in range(10):
        for samples, work in zip(turns, (ours, floor), strict=True):
            started = time.process_time()
            for _ in range(times // 10):
                work()
            samples.append((time.process_time() - started) / (times // 10) * 1e6)
    return Measurement(
        name=name,
        unit="µs",
        value=statistics.median(turns[0]),
        samples=times,
        better="lower",
        peer=peer,
        peer_value=statistics.median(turns[1]),
    )


def _decisions(turns: int, seconds: float) -> list[Measurement]:
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder, serving_project(Path(folder)) as project:
        file = KeyFile(keys_path(project.settings))
        _, key = create_key(file, "bot", ["decide"], 1, rate_per_s=1_000_000)
        served = Served(project)
        try:
            served.wait_ready()
            served.wait_health(lambda health: health["status"] == "ok", "the service is not well", 60)
            return [_asked(served.url, key, clients, turns, seconds) for clients in (1, 8)]
        finally:
            served.stop()


def _asked(url: str, key: str, clients: int, turns: int, seconds: float) -> Measurement:
    with_key: list[Figures] = []
    without: list[Figures] = []
    for _ in range(turns):
        without.append(ask(url, clients, seconds))
        with_key.append(ask(url, clients, seconds, key))
    p50, p99, rate = (statistics.median(one[at] for one in with_key) for at in range(3))
    peer50, peer99, peer_rate = (statistics.median(one[at] for one in without) for at in range(3))
    return Measurement(
        name=f"a decision with a key, {clients} client{'s' * (clients > 1)}",
        unit="ms",
        value=p50,
        p99=p99,
        samples=turns,
        better="lower",
        peer="the same without",
        peer_value=peer50,
        peer_p99=peer99,
        note=f"{rate:,.0f} decisions/s against {peer_rate:,.0f}",
    )
