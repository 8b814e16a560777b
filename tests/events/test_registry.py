"""A real Schema Registry, with Confluent's own serializers on the other side."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from registered import avro, head, message_class, typed
from samples import GOOD, raw

from rapport.bus.retry import Patience, Stopped
from rapport.cli.main import run
from rapport.errors import EventError, RegistryRefused, RegistryUnavailable, ServiceError
from rapport.events.decode import decode, decode_many
from rapport.events.formats import Formats
from rapport.events.formats.made import LANGUAGES
from rapport.events.schema import TOPICS
from rapport.registry import KeptSchemas, RegisteredSchema, Registry
from rapport.registry.registering import Wanted, check_all, register_all
from rapport.testing.registry import ApicurioServer, install_apicurio
from rapport.testing.served import wait_for
from tests.source_tree import ROOT

# The server takes seconds to start, or minutes on a machine that is busy.
pytestmark = pytest.mark.timeout(600)
FORMATS = tuple(LANGUAGES)


@pytest.fixture(scope="module")
def installed() -> Path:
    try:
        return install_apicurio(ROOT / ".cache" / "apicurio")
    except ServiceError as error:
        pytest.skip(f"no Schema Registry: {error}")


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApicurioServer]:
    made = ApicurioServer(tmp_path_factory.mktemp("registry"), installed)
    try:
        made.start()
    except ServiceError as error:
        pytest.skip(f"no Schema Registry: {error}")
    yield made
    made.stop()


@pytest.fixture
def formats(server: ApicurioServer, tmp_path: Path) -> Formats:
    return Formats(KeptSchemas(Registry(server.url), tmp_path))


@pytest.fixture
def client(server: ApicurioServer) -> Iterator[Any]:
    with SchemaRegistryClient({"url": server.url}) as made:
        yield made


def serialized(client: Any, name: str, topic: str, subject_topic: str, values: dict[str, Any], text: str = "") -> bytes:
    """The event as Confluent's serializer of the format writes it, which registers its schema."""
    context = SerializationContext(subject_topic, MessageField.VALUE)
    text = text or LANGUAGES[name].text(topic)
    if name == "avro":
        data = AvroSerializer(client, text)(values, context)
    elif name == "json":
        data = JSONSerializer(text, client)(json.loads(raw(topic)) | {}, context)
    else:
        message = message_class(text)()
        for field, value in values.items():
            if field == "event_time":
                message.event_time.FromDatetime(value)
            else:
                setattr(message, field, str(value) if field in ("amount", "price") else value)
        data = ProtobufSerializer(message_class(text), client, {"use.deprecated.format": False})(message, context)
    assert isinstance(data, bytes)
    return data


def registered_by(server: ApicurioServer) -> list[bytes]:
    """An event in Avro, and one in JSON Schema, whose schemas are the first two that the registry has."""
    with SchemaRegistryClient({"url": server.url}) as client:
        return [
            serialized(client, name, "feedback", name, typed("feedback", GOOD["feedback"])) for name in ("avro", "json")
        ]


def test_a_registry_that_is_down_does_not_stop_known_schemas(server: ApicurioServer, tmp_path: Path) -> None:
    """The first test of all: it needs an empty registry, and leaves one that was started anew."""
    known, other = registered_by(server)
    first = Formats(KeptSchemas(Registry(server.url), tmp_path))
    good = decode("feedback", known, first)
    server.kill()
    # This process has it in memory, a new one on disk.
    assert decode("feedback", known, first) == good
    again = Formats(KeptSchemas(Registry(server.url), tmp_path))
    assert decode_many("feedback", [known], again) == [good]
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        decode_many("feedback", [known, other], again)
    _waits_until_it_answers(server, again, [known, other])


def _waits_until_it_answers(server: ApicurioServer, formats: Formats, values: list[bytes]) -> None:
    stop = threading.Event()
    results: list[Any] = []

    def read() -> None:
        with contextlib.suppress(Stopped):
            results.extend(Patience(stop, longest_s=0.2).call(lambda: decode_many("feedback", values, formats)))

    waiting = threading.Thread(target=read)
    waiting.start()
    try:
        server.start()
        # Its schemas were in memory. The same again get the same ids; until then the second is not known.
        registered_by(server)
        waiting.join(120)
    finally:
        stop.set()
        waiting.join(10)
    assert len(results) == 2
    assert results[0] == decode("feedback", raw("feedback"))


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("name", FORMATS)
def test_what_confluents_serializers_write_we_read(client: Any, formats: Formats, topic: str, name: str) -> None:
    value = serialized(client, name, topic, f"{topic}.{name}", typed(topic, GOOD[topic]))
    assert decode(topic, value, formats) == decode(topic, raw(topic))
    assert decode_many(topic, [value, value[:-2]], formats)[0] == decode(topic, raw(topic))


@pytest.mark.parametrize("name", FORMATS)
def test_what_we_register_they_take(server: ApicurioServer, client: Any, formats: Formats, name: str) -> None:
    registry, topic = Registry(server.url), "purchase_events"
    wanted = [Wanted(f"theirs.{one}.{name}-value", LANGUAGES[name].kind, LANGUAGES[name].text(one)) for one in TOPICS]
    assert {outcome.state for outcome in register_all(registry, wanted)} == {"registered"}
    assert {outcome.state for outcome in register_all(registry, wanted)} == {"present"}
    found = client.get_latest_version(f"theirs.{topic}.{name}-value")
    assert found.schema.schema_str == LANGUAGES[name].text(topic)
    values = typed(topic, GOOD[topic])
    context = SerializationContext(f"theirs.{topic}.{name}", MessageField.VALUE)
    only_registered = {"auto.register.schemas": False}
    if name == "avro":
        value = AvroSerializer(client, found.schema, conf=only_registered)(values, context)
        assert AvroDeserializer(client)(value, context)["order_id"] == "o1"
    elif name == "json":
        value = JSONSerializer(found.schema, client, conf=only_registered)(json.loads(raw(topic)), context)
    else:
        value = head(found.schema_id) + b"\0" + serialized(client, name, topic, f"mine.{topic}", values)[6:]
    assert int.from_bytes(value[1:5], "big") == found.schema_id
    assert decode(topic, value, formats) == decode(topic, raw(topic))


@pytest.mark.parametrize("name", ["avro", "json", "proto"])
def test_what_is_not_compatible_is_not_registered(server: ApicurioServer, name: str) -> None:
    registry, language = Registry(server.url), LANGUAGES[name]
    subjects = [f"strict.{topic}.{name}-value" for topic in TOPICS]
    first = [Wanted(s, language.kind, language.text(topic)) for s, topic in zip(subjects, TOPICS, strict=True)]
    register_all(registry, first)
    for subject in subjects:
        httpx.put(f"{server.url}/config/{subject}", json={"compatibility": "FULL"}, trust_env=False).raise_for_status()
    text = language.text("feedback")
    breaking = {
        "avro": text.replace('"event_id",', '"event_key",'),
        "json": text.replace('"maximum": 5', '"maximum": 4'),
        "proto": text.replace("optional int32 csat = 8", "optional string csat = 8"),
    }[name]
    assert breaking != text
    new = Wanted(f"strict.new.{name}-value", language.kind, text)
    outcomes = register_all(registry, [new, Wanted(subjects[-1], language.kind, breaking), first[0]])
    assert [outcome.state for outcome in outcomes] == ["compatible", "incompatible", "present"]
    assert outcomes[1].messages and "ncompatible" in outcomes[1].messages[0]
    assert check_all(registry, [new])[0].state == "compatible"


def post(server: ApicurioServer, path: str, **body: Any) -> Any:
    return httpx.post(server.url + path, json=body, trust_env=False).raise_for_status().json()


def test_schemas_that_refer_to_others(server: ApicurioServer, client: Any, formats: Formats) -> None:
    money = {"type": "fixed", "name": "Money", "namespace": "shop", "size": 8, "logicalType": "decimal",
             "precision": 18, "scale": 2}  # fmt: skip
    schema = json.loads(LANGUAGES["avro"].text("purchase_events"))
    next(field for field in schema["fields"] if field["name"] == "amount")["type"] = "shop.Money"
    post(server, "/subjects/money/versions", schema=json.dumps(money))
    reference = {"name": "shop.Money", "subject": "money", "version": 1}
    schema_id = post(server, "/subjects/order/versions", schema=json.dumps(schema), references=[reference])["id"]
    alone = json.loads(json.dumps(schema).replace('"shop.Money"', json.dumps(money)))
    value = head(schema_id) + avro(json.dumps(alone), typed("purchase_events", GOOD["purchase_events"]))
    assert decode("purchase_events", value, formats) == decode("purchase_events", raw("purchase_events"))

    shared = 'syntax = "proto3"; package shop; message Money { string value = 1; }'
    post(server, "/subjects/shop.proto/versions", schema=shared, schemaType="PROTOBUF")
    text = LANGUAGES["proto"].text("feedback").replace("import", 'import "shop.proto";\nimport', 1)
    text = text.replace("{", "{\n  shop.Money more = 77;", 1)
    reference = {"name": "shop.proto", "subject": "shop.proto", "version": 1}
    body = {"schema": text, "schemaType": "PROTOBUF", "references": [reference]}
    schema_id = post(server, "/subjects/fb/versions", **body)["id"]
    made = serialized(client, "proto", "feedback", "x", typed("feedback", GOOD["feedback"]))
    assert decode("feedback", head(schema_id) + made[5:], formats) == decode("feedback", raw("feedback"))


def test_an_id_that_the_registry_does_not_know(formats: Formats) -> None:
    for _ in range(2):
        (error,) = decode_many("feedback", [head(2**31)], formats)
        assert isinstance(error, EventError) and error.reason == "unknown_schema" and "2147483648" in error.detail


def test_an_id_that_the_registry_learns_of_later(server: ApicurioServer, client: Any, tmp_path: Path) -> None:
    formats = Formats(KeptSchemas(Registry(server.url), tmp_path), unknown_for_s=0.3)
    values = typed("feedback", GOOD["feedback"])
    new, newer = (LANGUAGES["avro"].text("feedback").replace(": what", word) for word in (": all", ": that"))
    value = serialized(client, "avro", "feedback", "late", values, new)
    # Ids are counted: the next schema's is known before it is.
    later = head(int.from_bytes(value[1:5], "big") + 1) + value[5:]
    assert isinstance(decode_many("feedback", [later], formats)[0], EventError)
    assert serialized(client, "avro", "feedback", "late", values, newer) == later

    def is_known() -> bool:
        # Asked for all the time, and asked of the registry every now and then.
        return not isinstance(decode_many("feedback", [later], formats)[0], EventError)

    wait_for(is_known, "the id was never asked for again", 20)


def test_an_address_that_is_no_registrys(server: ApicurioServer, tmp_path: Path) -> None:
    wrong = Formats(KeptSchemas(Registry(server.url.removesuffix("/v7")), tmp_path))
    with pytest.raises(RegistryUnavailable, match="RAPPORT_REGISTRY_URL has to be what stands before"):
        decode("feedback", head(1), wrong)


def test_a_damaged_file_is_fetched_again(server: ApicurioServer, client: Any, tmp_path: Path) -> None:
    value = serialized(client, "avro", "feedback", "damaged", typed("feedback", GOOD["feedback"]))
    good = decode("feedback", value, Formats(KeptSchemas(Registry(server.url), tmp_path)))
    (file,) = tmp_path.rglob("*.json")
    for damage in (b"", b"{", b"\xff" * 10, file.read_bytes()[:-5]):
        file.write_bytes(damage)
        assert decode("feedback", value, Formats(KeptSchemas(Registry(server.url), tmp_path))) == good
    assert not list(tmp_path.rglob("*.part"))


def test_a_disk_that_takes_nothing_does_not_stop_events(server: ApicurioServer, client: Any, tmp_path: Path) -> None:
    value = serialized(client, "avro", "feedback", "full", typed("feedback", GOOD["feedback"]))
    (tmp_path / "schemas").write_bytes(b"a file where the folder should be")
    formats = Formats(KeptSchemas(Registry(server.url), tmp_path / "schemas"))
    assert decode("feedback", value, formats) == decode("feedback", raw("feedback"))


def test_the_command(server: ApicurioServer, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("RAPPORT_ROOT", str(ROOT))
    monkeypatch.setenv("RAPPORT_REGISTRY_URL", server.url)
    arguments = ["--subject", "cli.{topic}-value", "--format", "avro", "--json"]
    assert run(["schemas", "check", *arguments]) == 0
    assert {one["state"] for one in json.loads(capsys.readouterr().out)} == {"compatible"}
    assert run(["schemas", "register", *arguments]) == 0
    assert {one["state"] for one in json.loads(capsys.readouterr().out)} == {"registered"}
    old = LANGUAGES["avro"].text("feedback").replace('"int"', '"string"').replace("1\n", '"1"\n')
    post(server, "/subjects/old.feedback-value/versions", schema=old)
    config = f"{server.url}/config/old.feedback-value"
    httpx.put(config, json={"compatibility": "FULL"}, trust_env=False).raise_for_status()
    assert run(["schemas", "register", "--subject", "old.{topic}-value"]) == 3
    shown = capsys.readouterr()
    assert "incompatible" in shown.out and "nothing was registered" in shown.err
    assert run(["schemas", "--write", str(tmp_path)]) == 0
    assert len(list(tmp_path.iterdir())) == 15
    monkeypatch.delenv("RAPPORT_REGISTRY_URL")
    assert run(["schemas", "register"]) == 2
    assert "RAPPORT_REGISTRY_URL" in capsys.readouterr().err


def test_no_schema_to_the_registry(server: ApicurioServer) -> None:
    with pytest.raises(RegistryRefused):
        Registry(server.url).register("nonsense", "AVRO", "{")
    assert isinstance(Registry(server.url).schema(1), RegisteredSchema)
