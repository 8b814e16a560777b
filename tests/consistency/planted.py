"""A world with planted trouble: real events, flows, service and decisions; then what makes history disagree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.archive import archive
from flows.features import features, load_declared
from flows.ingest import ingest
from flows.runtime import Runtime, make_runtime
from rapport.bus import Message
from rapport.bus.protocol import START
from rapport.clock import from_us, to_us
from rapport.consistency import ConsistencyReport, Range
from rapport.consistency.replay import Question, replay_decisions
from rapport.decisions import DECISIONS_TOPIC, DecisionRecord, decode_record, encode_record
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for

__all__ = ["PlantedWorld"]


class PlantedWorld:
    """A project, its flows run by hand, and the decision service in a process of its own."""

    def __init__(self, project: Project, served: Served) -> None:
        self.project = project
        self.served = served
        self.runtime: Runtime = make_runtime(replace(project.settings, archive_every_s=0.05))
        self.decided: dict[str, DecisionRecord] = {}
        """What each test's decision was logged as, by a name for it."""
        self._numbers = iter(range(1, 1_000_000))

    def give(self, topic: str, customer: str, time_us: int, **fields: Any) -> None:
        """Publish a raw event."""
        event = {"event_id": f"e{next(self._numbers)}", "customer_id": customer, "event_time": from_us(time_us)}
        self.runtime.bus.publish([Message(topic, customer, msgspec.json.encode({**event, **fields}))])

    def run(self, *branches: str) -> None:
        """Run branches of the flow over all there is."""
        for name in branches:
            flow = Dataflow(name)
            if name == "features":
                features(flow, self.runtime, load_declared(self.project.settings), drain=True)
            else:
                {"ingest": ingest, "archive": archive}[name](flow, self.runtime, drain=True)
            run_main(flow)

    def decide(self, name: str, customer: str) -> DecisionRecord:
        """Ask the service; returns what it logs, and keeps it under `name`."""
        decision_id = self.served.decide(customer)["decision_id"]
        found: list[DecisionRecord] = []

        def logged() -> bool:
            batch = self.runtime.bus.reader(DECISIONS_TOPIC, 0, START).poll(10_000)
            records = [decode_record(value) for value in batch.values] if batch else []
            found[:] = [record for record in records if record.decision_id == decision_id]
            return bool(found)

        wait_for(logged, f"decision {name} was not logged")
        self.decided[name] = found[0]
        return found[0]

    def log(self, name: str, record: DecisionRecord) -> None:
        """Log a decision that the service did not make, or not so."""
        self.decided[name] = record
        self.runtime.bus.publish([Message(DECISIONS_TOPIC, record.customer_id, encode_record(record))])

    def report(self, name: str = "", **question: Any) -> ConsistencyReport:
        """The report on one decision, or on all."""
        if name:
            as_of_us = to_us(self.decided[name].as_of)
            question["range"] = Range(as_of_us, as_of_us + 1)
        return replay_decisions(self.project.settings, Question(**question))
