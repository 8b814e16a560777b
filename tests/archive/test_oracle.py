"""Any order of appends, repeats, compactions, deletions, retention and taking repeats out equals a list's."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rapport.archive import Archive, with_source
from rapport.archive.repeats import dedupe, migrate
from rapport.archive.retention import DAY_US, retain
from rapport.archive.verify import verify
from rapport.bus.protocol import Position
from tests.archive.former import FormerTable
from tests.archive.rows import rows

TOPIC = "feedback"
_EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.sampled_from([f"e{i}" for i in range(12)]),
            "customer_id": st.sampled_from(["anna", "b'ob", "cem"]),
            "event_time": st.sampled_from([day * DAY_US + 7 for day in (0, 3, 29, 31, 45, 62, 63, 64)]),
            "arrival_time": st.integers(0, 3),
            "csat": st.sampled_from([None, 1, 5]),
        }
    ),
    max_size=6,
)
Event = dict[str, Any]


class ArchiveMachine(RuleBasedStateMachine):
    """The archive beside a list of what should be in it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.archive = Archive(Path(self._folder.name))
        self.held: list[Event] = []
        self.blocks = 0
        self.repeated: list[Event] = []

    def teardown(self) -> None:
        self._folder.cleanup()

    @initialize(former=st.booleans(), events=_EVENTS)
    def begin(self, former: bool, events: list[Event]) -> None:
        if former:
            table = self._block(events)
            FormerTable(self.archive, TOPIC).append(table, "bus-0", Position(self.blocks + 1, 0))
            self.held += events
        else:
            self.append(events)

    @rule(events=_EVENTS)
    def append(self, events: list[Event]) -> None:
        table = self._block(events)
        place: dict[str, Any] = {"writer": "bus-0", "position": Position(self.blocks + 1, 0)}
        assert self.archive.append(TOPIC, table, **place)
        assert not self.archive.append(TOPIC, table, **place)
        self.held += events

    @precondition(lambda self: self.held)
    @rule(data=st.data(), later=st.integers(1, 3))
    def send_again(self, data: st.DataObject, later: int) -> None:
        event = data.draw(st.sampled_from(self.held))
        self.append([event | {"arrival_time": event["arrival_time"] + later}])

    @rule()
    def compact(self) -> None:
        self.archive.compact(TOPIC, keep_days=1)

    @rule()
    def give_months(self) -> None:
        migrate(self.archive, TOPIC)

    @rule(customer=st.sampled_from(["anna", "b'ob", "nobody"]))
    def erase(self, customer: str) -> None:
        gone = [event for event in self.held if event["customer_id"] == customer]
        assert self.archive.delete_customer(customer) == len(gone)
        self.held = [event for event in self.held if event["customer_id"] != customer]

    @rule(day=st.sampled_from([1, 30, 31, 63]))
    def age(self, day: int) -> None:
        now_us = (day + 100) * DAY_US
        gone = [event for event in self.held if event["event_time"] < day * DAY_US]
        for dry_run in (True, False):
            done = retain(self.archive, {TOPIC: 100}, now_us, dry_run=dry_run)
            assert [one.rows for one in done] == [len(gone)]
        self.held = [event for event in self.held if event["event_time"] >= day * DAY_US]

    @rule()
    def take_repeats_out(self) -> None:
        migrate(self.archive, TOPIC)
        kept: dict[Any, Event] = {}
        for event in self.held:
            first = kept.setdefault(_same(event), event)
            if event["arrival_time"] < first["arrival_time"]:
                kept[_same(event)] = event
        assert dedupe(self.archive, TOPIC) == len(self.held) - len(kept)
        self.held = list(kept.values())

    @invariant()
    def equals_the_list(self) -> None:
        columns = ["event_id", "customer_id", "event_time", "arrival_time", "csat"]
        found = self.archive.scan(TOPIC, columns)
        got = zip(*(found[name].cast("int64" if "time" in name else found[name].type).to_pylist() for name in columns))  # noqa: B905
        assert sorted(got, key=str) == sorted(((*(event[name] for name in columns),) for event in self.held), key=str)

    @rule()
    def is_sound(self) -> None:
        verdict = verify(self.archive, TOPIC)
        ids = {event["event_id"] for event in self.held}
        kinds = {_same(event) for event in self.held}
        assert not verdict.problems
        assert (verdict.rows, verdict.repeats) == (len(self.held), len(self.held) - len(kinds))
        assert verdict.conflicts == len(kinds) - len(ids)

    def _block(self, events: list[Event]) -> Any:
        import numpy as np

        self.blocks += 1
        hi, lo = np.full(len(events), self.blocks), np.arange(len(events)) + 1
        return with_source(rows(TOPIC, events), 0, hi, lo)


def _same(event: Event) -> tuple[Any, ...]:
    return (event["event_id"], event["customer_id"], event["event_time"], event["csat"])


TestArchive = ArchiveMachine.TestCase
TestArchive.settings = settings(
    max_examples=8, stateful_step_count=8, deadline=None, phases=(Phase.generate,), derandomize=True
)
