"""Whatever is sent: an answer of 2xx or 4xx, in JSON. Bodies of the right shape, or nearly, come from the description
(test_described.py); here are those that are not, and those of a source whose payload nobody describes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_names = st.sampled_from(["customer_id", "event", "events", "turns", "at", "csat", "decision_id", "inputs", "x"])
_bodies = st.binary(max_size=300) | st.dictionaries(_names, _values | st.just("ann"), max_size=5).map(
    lambda value: json.dumps(value).encode()
)
PATHS = ["/personalize", "/personalize/batch", "/events", "/feedback", "/v2/models/segments/infer", "/webhooks/hostile"]


OPEN = """\
name: hostile
unsigned: true
time: {column: event.at}
customer: {column: customer_id}
event_id: "{customer_id}-{$row}"
events:
  - topic: feedback
    each: events
    fields:
      csat: {column: csat, type: integer}
      decision_id: {template: "{decision_id}{events.x}"}
"""


@pytest.fixture(scope="module", autouse=True)
def open_source(served: Served, project: Project) -> Iterator[None]:
    """A source of webhooks that anybody may send to."""
    mapping = project.root / "webhooks" / "hostile.yaml"
    mapping.parent.mkdir(exist_ok=True)
    mapping.write_text(OPEN)
    wait_for(lambda: served.http.post("/webhooks/hostile").status_code == 415, "the source is not taken", 10)
    yield
    mapping.unlink()


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_bodies, lines=st.booleans())
def test_no_body_breaks_the_service(served: Served, path: str, body: bytes, lines: bool) -> None:
    media_type = "application/x-ndjson" if lines and path == "/events" else "application/json"
    response = served.http.post(path, content=body, headers={"Content-Type": media_type})
    assert response.status_code in (200, 202, 400) or response.json()["error"].startswith("not_ready"), response.text
    assert response.json()
