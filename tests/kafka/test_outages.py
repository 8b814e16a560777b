"""A broker that is not there, and one that comes back: what callers are told, and that nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapport.bus import START, Message
from rapport.bus.kafka import KafkaBus
from rapport.bus.kafka_link import KafkaLink
from rapport.bus.protocol import Hop
from rapport.bus.retry import Patience, commit_all_surely, commit_surely
from rapport.errors import BusUnavailable
from rapport.testing.faults import frozen
from rapport.testing.kafka import KafkaServer


@pytest.fixture(scope="module")
def server(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with KafkaServer(tmp_path_factory.mktemp("kafka"), kafka_jars) as server:
        yield server


def test_a_broker_that_is_not_there_is_unavailable_in_time() -> None:
    bus = KafkaBus(KafkaLink("127.0.0.1:9", timeout_s=1.0))
    started_s = time.monotonic()
    for call in (
        lambda: bus.publish([Message("t", "k", b"x")]),
        lambda: bus.position("g", "t", 0),
        lambda: bus.reader("t", 0).poll(1),
        lambda: bus.reader("t", 0).lag(),
        lambda: bus.counts(),
        lambda: bus.commit("g", "t", 0, expected=START, position=START),
    ):
        with pytest.raises(BusUnavailable, match="are the brokers of RAPPORT_BUS_URL running"):
            call()
    assert time.monotonic() - started_s < 60
    bus.close()


def test_a_broker_that_was_killed_comes_back_with_everything(server: KafkaServer) -> None:
    bus = KafkaBus(KafkaLink(server.bootstrap, "killed.", timeout_s=3.0))
    sent = [b"%d" % number for number in range(50)]
    bus.publish([Message("t", "k", value) for value in sent])
    reader = bus.reader("t", 0)
    batch = reader.poll(20)
    assert batch is not None and batch.values == sent[:20]
    hop = Hop("t", 0, START, batch.positions[-1], [Message("out", "k", value) for value in batch.values], {"n": 20})
    assert bus.commit_all("g", [hop]) == [None]
    server.kill()
    with pytest.raises(BusUnavailable):
        bus.publish([Message("t", "k", b"lost")])
    server.start()
    patience = Patience()
    assert patience.call(lambda: bus.position("g", "t", 0)) == batch.positions[-1]
    assert patience.call(bus.counts) == {"n": 20}
    rest = patience.call(lambda: reader.poll(100))
    assert rest is not None and rest.values[:30] == sent[20:]
    outputs = [Message("out", "k", value) for value in sent[20:]]
    commit_surely(
        bus, patience, "g", "t", 0, expected=batch.positions[-1], position=rest.positions[29], outputs=outputs,
        counts={"n": 30},
    )  # fmt: skip
    copied = patience.call(lambda: bus.reader("out", 0).poll(100))
    assert copied is not None and copied.values == sent
    assert bus.counts() == {"n": 50}
    bus.close()


def test_a_commit_whose_answer_was_lost_is_not_made_twice(server: KafkaServer) -> None:
    bus = KafkaBus(KafkaLink(server.bootstrap, "frozen.", timeout_s=2.0))
    bus.publish([Message("t", "k", b"%d" % number) for number in range(10)])
    member = bus.join("g", ["t"])
    while not member.places():
        time.sleep(0.01)
    reader = member.reader("t", 0)
    while (batch := reader.poll(10)) is None:
        bus.wait(0.1)
    hops = [Hop("t", 0, START, batch.positions[-1], [Message("out", "k", v) for v in batch.values], {"n": len(batch)})]
    assert server.pid is not None
    with frozen(server.pid), pytest.raises(BusUnavailable):
        bus.position("other", "t", 0)
    assert commit_all_surely(bus, Patience(), "g", hops) == [None]
    copied = bus.reader("out", 0).poll(100)
    assert copied is not None and copied.values == batch.values and bus.counts() == {"n": len(batch)}
    bus.close()
