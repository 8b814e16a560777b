"""The Flask middleware: tags when they are used, and the application's own page whatever fails."""

from __future__ import annotations

import pytest
from flask import Flask, Request, g, render_template_string

from rapport.client import ClientOptions, RapportClient
from rapport.client.flask import Personalization
from rapport.testing.faulty_service import FaultyService


def app_of(client: RapportClient) -> Flask:
    app = Flask(__name__)
    who = Personalization(
        client,
        customer_id=lambda request: request.headers.get("Customer"),
        session_data=lambda request: {"page": request.path, "message": request.headers["Message"]},
    )
    who.init_app(app)

    @app.get("/tags")
    def tags() -> dict[str, object]:
        return {**g.personalization, "again": g.personalization.get("tone"), "count": len(g.personalization)}

    @app.get("/page")
    def page() -> str:
        return render_template_string("{{ g.personalization.tone }}{{ g.personalization.nothing }}")

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    return app


def test_tags_are_asked_for_once_and_only_when_used(faulty: FaultyService) -> None:
    headers = {"Customer": "ann", "Message": "Hi"}
    with RapportClient(ClientOptions(url=faulty.url("ok"), deadline_ms=2_000)) as client:
        http = app_of(client).test_client()
        before = faulty.seen["ok"]
        assert http.get("/plain", headers=headers).text == "plain"
        assert faulty.seen["ok"] == before
        answer = http.get("/tags", headers=headers).get_json()
        assert (answer["segment"], answer["again"]) == ("Champions", "apologetic")
        assert faulty.seen["ok"] == before + 1
        assert http.get("/page", headers=headers).text == "apologetic"


@pytest.mark.parametrize("how", ["hang", "reset", "error_500", "garbage"])
def test_the_page_comes_whatever_the_service_does(faulty: FaultyService, how: str) -> None:
    given = ClientOptions(url=faulty.url(how), deadline_ms=200, defaults={"tone": "friendly"})
    with RapportClient(given) as client:
        http = app_of(client).test_client()
        assert http.get("/page", headers={"Customer": "ann", "Message": "Hi"}).text == "friendly"


def test_nobody_and_callables_that_fail_are_given_defaults(faulty: FaultyService) -> None:
    def broken(request: Request) -> str:
        raise KeyError(request.path)

    with RapportClient(ClientOptions(url=faulty.url("ok"), defaults={"tone": "friendly"})) as client:
        before = faulty.seen["ok"]
        http = app_of(client).test_client()
        assert http.get("/page").text == "friendly"
        assert http.get("/page", headers={"Customer": "ann"}).text == "friendly"
        app = Flask(__name__)
        Personalization(client, customer_id=broken).init_app(app)
        app.add_url_rule("/", view_func=lambda: dict(g.personalization))
        assert app.test_client().get("/").get_json() == {"tone": "friendly"}
        assert faulty.seen["ok"] == before
