"""Who may do what: every operation of the description with every kind of credential, over HTTP and TLS.

The operations, what they need, their bodies and answers are read from the description itself. A new one is part of this
as soon as it is described; one whose path has a part of its own says in PARTS what a request puts there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from guarded_world import ALL_TENANTS, TENANT, Guarded, all_but, is_of_installation

from bentos.api import Api
from bentos.openapi import openapi
from bentos.openapi_security import with_security
from rapport.access import SCOPES
from rapport.testing.models import NoiseModels
from rapport.testing.served import wait_for

PARTS = {"source": "shop", "decision_id": "0" * 32, "model": "segments", "version": "1"}
PAGES = {("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json")}
"""What is served and is no part of the interface that it describes."""


class Operation(NamedTuple):
    method: str
    path: str
    needs: str | None
    admin: bool
    example: Any
    answers: frozenset[int]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@functools.cache
def operations() -> tuple[Operation, ...]:
    described = with_security(openapi(), Api().needs)
    return tuple(_operations(described))


def _operations(described: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            content = one.get("requestBody", {}).get("content", {}).get("application/json", {})
            needs = one["security"][0]["key"][0] if one["security"] else None
            answers = frozenset(int(status) for status in one["responses"])
            admin = Api().needs[method.upper(), path].admin
            yield Operation(method.upper(), path, needs, admin, content.get("example"), answers)


CHECKED = [operation for operation in operations() if operation.needs]
WHOLE = [one for one in CHECKED if is_of_installation(one.needs or "") or Api().needs[one.method, one.path].whole]
OF_CUSTOMERS = [one for one in CHECKED if one not in WHOLE and one.example is not None]


def ask(guarded: Guarded, operation: Operation, credential: str | None, customer: str = "shop-1") -> httpx.Response:
    client = guarded.admin if operation.admin else guarded.main
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    body = _of_customer(operation.example, customer)
    sent = {"json": body} if operation.method in ("POST", "PUT", "PATCH") else {}
    return client.request(operation.method, operation.path.format(**PARTS), headers=headers, **sent)


def _of_customer(value: Any, customer: str) -> Any:
    if isinstance(value, dict):
        return {k: customer if k == "customer_id" else _of_customer(v, customer) for k, v in value.items()}
    return [_of_customer(inner, customer) for inner in value] if isinstance(value, list) else value


def refused(response: httpx.Response, status: int, reason: str) -> None:
    assert response.status_code == status, (response.request.url, response.text)
    error = response.json()["error"]
    if response.request.url.path.startswith("/v2"):
        assert error.partition(":")[0] == reason
    else:
        assert error["reason"] == reason and set(error) == {"field", "reason", "detail"}
    if reason != "wrong_tenant":
        assert response.headers["www-authenticate"].startswith('Bearer realm="rapport"')


def let_in(response: httpx.Response, operation: Operation) -> None:
    assert response.status_code in operation.answers - {401, 403, 429}, (operation.name, response.text)
    assert response.status_code < 500, response.text
    assert response.headers["ratelimit"].startswith('"caller";r=')


def known(guarded: Guarded, credential: str) -> str:
    """The key, once the service knows it."""
    told = {"Authorization": f"Bearer {credential}"}
    wait_for(
        lambda: "bad_credential" not in guarded.main.post("/personalize", headers=told).text, "the key is not seen", 10
    )
    return credential


@pytest.fixture(scope="module", autouse=True)
def champions(guarded: Guarded, built_models: NoiseModels) -> None:
    """All models serve, so that whoever may ask them gets an answer."""
    for name in ("purchase_propensity", "escalation_risk", "segments"):
        built_models.promote(name, "1")
    wait_for(lambda: guarded.main.get("/v2/health/ready").status_code == 200, "the models do not serve", 15)


@pytest.fixture(scope="module")
def ready(guarded: Guarded) -> dict[str, str]:
    """Keys of every kind that a test can share, by name; the last that was made is known, and so all are."""
    made = {
        "all": guarded.key("all", list(SCOPES)),
        "none of the installation": guarded.key(
            "tenant", [scope for scope in SCOPES if not is_of_installation(scope)], TENANT
        ),
        "expired": guarded.ended_key(list(SCOPES), revoked=False),
        "revoked": guarded.ended_key(list(SCOPES), revoked=True),
        **{f"all but {scope}": guarded.key("x", all_but(scope)) for scope in SCOPES},
        **{f"only {scope}": guarded.key("x", [scope]) for scope in SCOPES},
    }
    known(guarded, list(made.values())[-1])
    return made


def test_what_is_registered_is_described_and_the_other_way_round() -> None:
    registered = set(Api().needs)
    described = {(one.method, one.path) for one in operations()}
    assert described <= registered
    assert registered - described == PAGES
    assert {one.needs for one in CHECKED} <= set(SCOPES)


@pytest.mark.parametrize("operation", CHECKED, ids=lambda one: one.name)
def test_without_a_valid_credential(guarded: Guarded, ready: dict[str, str], operation: Operation) -> None:
    scope = operation.needs or ""
    refused(ask(guarded, operation, None), 401, "missing_credential")
    text = ready["all"]
    wrong = [
        "x",
        text[:-1],
        text + "0",
        text.upper(),
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        f"rapport_{'0' * 12}_{'0' * 64}",
        ready["expired"].replace(ready["expired"][-1], "f" if ready["expired"][-1] != "f" else "0"),
        guarded.token(scope, stranger=True),
        guarded.token(scope)[:-4],
        guarded.unsigned_token(scope),
        guarded.confused_token(scope),
        guarded.token(scope, iss="https://elsewhere.example"),
        guarded.token(scope, aud="another service"),
        guarded.token(scope, nbf=4_000_000_000),
        guarded.token(scope, tenant=None),
        guarded.token(scope, tenant="No Name"),
    ]
    for credential in wrong:
        refused(ask(guarded, operation, credential), 401, "bad_credential")
    for credential in (ready["expired"], ready["revoked"], guarded.token(scope, exp=1_700_000_000)):
        refused(ask(guarded, operation, credential), 401, "expired_credential")


@pytest.mark.parametrize("operation", CHECKED, ids=lambda one: one.name)
def test_with_and_without_the_scope(guarded: Guarded, ready: dict[str, str], operation: Operation) -> None:
    scope = operation.needs or ""
    for credential in (ready[f"all but {scope}"], guarded.token(" ".join(all_but(scope))), guarded.token("")):
        refused(ask(guarded, operation, credential), 403, "missing_scope")
    for credential in (ready[f"only {scope}"], ready["all"], guarded.token(scope), guarded.token(f"other {scope}")):
        let_in(ask(guarded, operation, credential), operation)


@pytest.mark.parametrize("operation", WHOLE, ids=lambda one: one.name)
def test_a_tenant_has_nothing_of_the_installation(
    guarded: Guarded, ready: dict[str, str], operation: Operation
) -> None:
    refused(ask(guarded, operation, guarded.token(operation.needs or "", TENANT)), 403, "wrong_tenant")


@pytest.mark.parametrize("operation", OF_CUSTOMERS, ids=lambda one: one.name)
def test_a_tenant_speaks_of_its_customers_alone(guarded: Guarded, ready: dict[str, str], operation: Operation) -> None:
    assert "customer_id" in str(operation.example), "a caller of a tenant could not be told from another"
    for credential in (ready["none of the installation"], guarded.token(operation.needs or "", TENANT)):
        for other in ("shop-1", "other:1", TENANT, f"{TENANT}2:1", f"x{TENANT}:1", f"{TENANT.upper()}:1"):
            refused(ask(guarded, operation, credential, other), 403, "wrong_tenant")
        let_in(ask(guarded, operation, credential, f"{TENANT}:1"), operation)


def test_a_decision_is_told_to_the_customers_own_tenant_alone(guarded: Guarded) -> None:
    told = {"Authorization": f"Bearer {guarded.token('decide decisions:read')}"}

    def decide() -> dict[str, Any]:
        found: dict[str, Any] = guarded.main.post(
            "/personalize", json={"customer_id": f"{TENANT}:1"}, headers=told
        ).json()
        return found

    # without an answer of the store nobody knows of a refusal, and the customer's id is not logged
    wait_for(lambda: "features_unavailable" not in decide()["degraded"], "no features", 30)
    made = decide()["decision_id"]
    for tenant, status in ((ALL_TENANTS, 200), (TENANT, 200), (f"{TENANT}2", 404)):
        key = guarded.token("decisions:read", tenant)
        answer = guarded.main.get(f"/decisions/{made}", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, made in answer.text) == (status, status == 200), answer.text


@pytest.mark.parametrize("body", ["valid", "future", "broken", "hidden"])
def test_an_event_of_another_tenant_is_refused_however_it_is_sent(
    guarded: Guarded, ready: dict[str, str], body: str
) -> None:
    """Also one that would be accepted a little later, or once it is mended; nothing of the request is taken."""
    click = {"event_id": "t1", "customer_id": "other:1", "event_time": "2026-03-01T12:00:00Z", "action": "view"}
    event = {
        "valid": click,
        "future": {**click, "event_time": "2126-03-01T12:00:00Z"},
        "broken": {**click, "action": "what"},
        "hidden": {**click, "\u0063ustomer_id": "other:1"},
    }[body]
    own = {**click, "event_id": "t2", "customer_id": f"{TENANT}:1"}
    told = {"Authorization": f"Bearer {ready['none of the installation']}"}
    request = {"topic": "customer_clicks", "events": [own, event]}
    refused(guarded.main.post("/events", json=request, headers=told), 403, "wrong_tenant")
    nameless = {"topic": "customer_clicks", "events": [own, {"event_id": "t3"}, 7]}
    answer = guarded.main.post("/events", json=nameless, headers=told)
    assert (answer.status_code, answer.json()["refused"]) == (202, 2)


@pytest.mark.parametrize("operation", [one for one in operations() if not one.needs], ids=lambda one: one.name)
def test_what_is_open_tells_little(guarded: Guarded, operation: Operation) -> None:
    answer = ask(guarded, operation, None)
    if operation.method == "POST":
        assert answer.json()["error"]["reason"] in ("unknown_source", "unknown_platform")
        return
    assert answer.status_code == 200
    assert set(answer.json()) <= {"alive", "live", "ready", "status"}


def test_each_port_serves_its_own(guarded: Guarded, ready: dict[str, str]) -> None:
    told = {"Authorization": f"Bearer {ready['all']}"}
    for (method, path), needs in Api().needs.items():
        other = guarded.main if needs.admin else guarded.admin
        if needs.admin or path not in ("/livez", "/readyz"):
            assert other.request(method, path, headers=told).status_code == 404, path


@pytest.mark.parametrize(
    "path", ["/schema.json", "/docs.json", "/healthz", "/static_content/x", "/assets/x", "/openapi"]
)
def test_bentomls_own_paths_are_not_served(guarded: Guarded, path: str) -> None:
    assert guarded.main.get(path).status_code == guarded.admin.get(path).status_code == 404


@pytest.mark.parametrize(("method", "path"), sorted(PAGES))
def test_pages_are_shown_to_a_browser_with_the_key_as_password(
    guarded: Guarded, ready: dict[str, str], method: str, path: str
) -> None:
    asked = guarded.admin.request(method, path)
    assert asked.status_code == 401 and "Basic" in asked.headers["www-authenticate"]
    assert guarded.admin.request(method, path, auth=("ops", ready["only admin"])).status_code == 200
    assert guarded.admin.request(method, path, auth=("ops", ready["all but admin"])).status_code == 403
    answer = guarded.main.post("/personalize", json={"customer_id": "a"}, auth=("ops", ready["all"]))
    refused(answer, 401, "missing_credential")


def test_a_new_key_works_and_a_revoked_one_ends_within_a_second_or_two(guarded: Guarded) -> None:
    from rapport.access import revoke_key

    text = known(guarded, guarded.key("short", ["decide"]))
    told = {"Authorization": f"Bearer {text}"}
    assert guarded.main.post("/personalize", json={"customer_id": "a"}, headers=told).status_code == 200
    revoke_key(guarded.keys, text.split("_")[1], 1)
    wait_for(
        lambda: guarded.main.post("/personalize", json={"customer_id": "a"}, headers=told).status_code == 401,
        "the revoked key goes on",
        5,
    )


def test_a_key_has_a_rate_of_its_own(guarded: Guarded) -> None:
    slow = known(guarded, guarded.key("slow", ["events:write", "decide"], rate_per_s=0.5))
    told = {"Authorization": f"Bearer {slow}"}
    many = [guarded.main.post("/personalize", json={"customer_id": "a"}, headers=told) for _ in range(3)]
    late = many[-1]
    assert late.status_code == 429 and late.json()["error"]["reason"] == "rate_limited"
    assert int(late.headers["retry-after"]) >= 1
    assert late.headers["ratelimit-policy"] == '"caller";q=1;w=2' and late.headers["ratelimit"].startswith(
        '"caller";r=0'
    )


def test_a_body_is_not_read_before_the_caller_is_known(guarded: Guarded) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(4):
            yield b" " * 65_536

    answer = guarded.main.post("/events", content=endless(), headers={"Content-Type": "text/plain"})
    refused(answer, 401, "missing_credential")
