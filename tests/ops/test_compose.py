"""deploy/compose.yaml, as far as it can be held against what it describes without Docker."""

from __future__ import annotations

from typing import Any

import yaml

from rapport.bus import open_bus
from rapport.settings import load_settings
from rapport.testing.kafka import KAFKA_VERSION
from tests.source_tree import ROOT

TEXT = (ROOT / "deploy" / "compose.yaml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]


def test_versions_are_those_that_are_tested() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert all(":" in service["image"] and not service["image"].endswith("latest") for service in SERVICES.values())


def test_ports_are_on_loopback_and_what_the_comment_says_opens_a_bus() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    (line,) = [line for line in TEXT.splitlines() if "export RAPPORT_BUS_URL" in line]
    environment = dict(word.split("=", 1) for word in line.split() if "=" in word)
    open_bus(load_settings(environment, root=ROOT))
    assert (
        environment["RAPPORT_BUS_URL"].removeprefix("kafka://")
        in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )


def test_every_listener_has_a_protocol_and_each_volume_is_declared() -> None:
    kafka = SERVICES["kafka"]["environment"]
    protocols = dict(pair.split(":") for pair in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    listeners = [listener.split("://")[0] for listener in kafka["KAFKA_LISTENERS"].split(",")]
    assert set(listeners) == set(protocols)
    advertised = {listener.split("://")[0] for listener in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")}
    assert advertised == set(listeners) - {kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    assert {name for name in mounted if not name.startswith("./")} == set(yaml.safe_load(TEXT)["volumes"])
    assert all((ROOT / "deploy" / name).is_dir() for name in mounted if name.startswith("./"))


def test_what_watches_is_on_loopback_and_finds_its_source() -> None:
    prometheus, grafana = SERVICES["prometheus"], SERVICES["grafana"]
    (address,) = [part.split("=")[1] for part in prometheus["command"] if "listen-address" in part]
    folder = ROOT / "deploy" / "grafana" / "provisioning" / "datasources"
    (source,) = yaml.safe_load((folder / "rapport.yaml").read_text())["datasources"]
    assert source["url"] == f"http://{address}" and address.startswith("127.0.0.1:")
    assert grafana["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
