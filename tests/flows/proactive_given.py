"""Triggers that decide, and what forked processes run of them. No tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.delivery import deliver
from flows.proactive import open_proactive
from flows.runtime import make_runtime
from flows.triggers import Watch, triggers
from rapport.online import connect
from rapport.settings import Settings, load_settings
from rapport.triggers.engine import Engine
from rapport.triggers.load import parse_triggers
from rapport.triggers.store import TriggerStore

# By its whole name: a forked process finds it too.
from tests.flows import watching

TRIGGERS = """
version: 1
triggers:
  - name: abandoned_cart
    absence:
      after: {topic: customer_clicks, where: {action: cart_add}}
      without: [{topic: purchase_events}]
      for: 30 min
    decide: true
    reason: "nothing for {for}"
  - name: looked
    event: {topic: customer_clicks, where: {action: view}}
    reason: "looked"
  - name: took_out
    event: {topic: customer_clicks, where: {action: cart_remove}}
    decide: true
    reason: "took something out"
"""
CAPPED = """
version: 1
cap: {at_most: 2, within: 3 h}
triggers:
  - name: repeated_query
    event: {topic: customer_clicks, where: {action: view}}
    decide: true
    quiet: 0 s
    reason: "looked"
  - name: abandoned_cart
    event: {topic: customer_clicks, where: {action: cart_add}}
    decide: true
    quiet: 0 s
    reason: "put in"
"""


def watch_of(settings: Settings, text: str) -> Watch:
    declared, cap = parse_triggers(text)
    return Watch(Engine(declared), proactive=open_proactive(settings), cap=cap)


def die_at(lives: int, root: Path) -> None:
    """The triggers, until the `lives`-th write, or read of what is to be published."""
    runtime = make_runtime(load_settings({}, root=root))
    watching._Mortal.lives = lives
    bus: Any = watching._Mortal(runtime.bus, {"commit"})
    store: Any = watching._Mortal(TriggerStore(connect(runtime.settings, timeout_s=5)), watching.STEPS)
    watching.run_triggers(replace(runtime, bus=bus), watch_of(runtime.settings, TRIGGERS), store)


def decide_and_deliver(environment: dict[str, str]) -> None:
    """Triggers and the webhook, until killed. Its leases are short, for its successor not to wait long."""
    import flows.delivery as module

    module._LEASE_S = 0.1
    runtime = make_runtime(load_settings(environment))
    flow = Dataflow("triggers")
    triggers(flow, runtime, watch_of(runtime.settings, TRIGGERS))
    deliver(flow, runtime)
    run_main(flow)
