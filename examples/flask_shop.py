"""A small shop in Flask whose pages know their customer: run it, and open http://127.0.0.1:5000/?customer=c-000001.

python -m examples.flask_shop [--port 5000]

`RAPPORT_SERVICE_URL` says where the decision service is. Without one the shop is as fast, and greets everybody alike.
"""

from __future__ import annotations

import argparse

from flask import Flask, g, render_template_string, request, session
from flask.typing import ResponseReturnValue

from rapport.client import ClientOptions, RapportClient
from rapport.client.flask import Personalization

DEFAULTS = {"tone": "neutral", "segment": "Unknown", "template_text": "Welcome! How can we help?"}

PAGE = """<!doctype html>
<title>Shop</title>
<h1>{{ "Nice to see you again!" if g.personalization.segment == "Champions" else "Hello!" }}</h1>
<p class="{{ g.personalization.tone }}">{{ g.personalization.template_text }}</p>
{% if g.personalization.offer %}<p>For you: {{ g.personalization.offer }}</p>{% endif %}
"""


def make_app(client: RapportClient) -> Flask:
    """The shop. Whoever is logged in is in Flask's session, which is signed."""
    app = Flask(__name__)
    app.secret_key = "only for an example"  # noqa: S105
    Personalization(
        client,
        customer_id=lambda request: session.get("customer_id"),
        session_data=lambda request: {
            "page": request.path,
            "channel": "web",
            "message": request.form.get("message"),
        },
    ).init_app(app)

    @app.get("/")
    def home() -> ResponseReturnValue:
        if customer := request.args.get("customer"):
            session["customer_id"] = customer  # a shop does this when somebody logs in
        return render_template_string(PAGE)

    @app.post("/chat")
    def chat() -> ResponseReturnValue:
        return dict(g.personalization)

    @app.get("/terms")
    def terms() -> ResponseReturnValue:
        return "No tags are needed here, so none are asked for."

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description="A small shop that asks a decision service.")
    parser.add_argument("--port", type=int, default=5000)
    given = parser.parse_args()
    with RapportClient(ClientOptions.from_env(deadline_ms=250, defaults=DEFAULTS)) as client:
        make_app(client).run(port=given.port)


if __name__ == "__main__":
    main()
