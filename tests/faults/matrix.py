"""The fault matrix: each fault, each route; what it answered, how long it took, what was missing, and whether all was
well again afterwards, with the same process."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from rapport.decisions.degraded import cause_of
from rapport.testing.served import wait_for
from tests.faults.breaking import Fault
from tests.faults.routes import ROUTES, Route
from tests.faults.world import World

__all__ = ["Cell", "Key", "Row", "run_fault"]

Key = tuple[str, str]
"""Method and path of a route."""
_numbers = itertools.count(time.time_ns() // 1_000_000)
_AT_ONCE = 4
_LONGEST_S = 10.0


@dataclass
class Cell:
    """What one route answered during one fault."""

    statuses: Counter[int] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)
    degraded: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.took_ms)

    @property
    def most_ms(self) -> float:
        return max(self.took_ms)


@dataclass
class Row:
    """What came of one fault.

    Attributes:
        first_ms: longest time of a decision that was on its way when it began.
        recovered_s: from its end until nothing was missing.
        findings: what should not have been.
    """

    fault: Fault
    cells: dict[Key, Cell]
    first_ms: float
    opened: int
    recovered_s: float
    findings: list[str]


def run_fault(world: World, fault: Fault, rounds: int) -> Row:
    """Break it, ask each route `rounds` times, mend it, and wait until all is well."""
    opened = world.served.metric("rapport_feature_store_circuit_opened_total")
    dropped = world.served.metric("rapport_decision_log_dropped_total")
    with fault.begin(world):
        first = [_ask(world, ("POST", "/personalize"), fault)[1] for _ in range(2)]
        _wait_seen(world, fault)
        cells = _ask_all(world, fault, rounds)
        opened = world.served.metric("rapport_feature_store_circuit_opened_total") - opened
        is_open = world.served.metric("rapport_feature_store_circuit_open")
    mended_s = time.monotonic()
    world.wait_well()
    after = _wait_usual(world, fault)
    recovered_s = time.monotonic() - mended_s
    findings = [f"{' '.join(key)}: {said}" for key, cell in cells.items() for said in cell.findings]
    findings += _causes_wanted(fault, cells)
    if fault.seen == "redis" and not (opened and is_open):
        findings.append("the circuit is not seen in the metrics")
    if world.served.metric("rapport_decision_log_dropped_total") != dropped:
        findings.append("records of decisions were lost")
    findings += [f"{' '.join(key)}, afterwards: {said}" for key, cell in after.items() for said in cell.findings]
    return Row(fault, cells, max(first), int(opened), recovered_s, findings)


def _wait_usual(world: World, fault: Fault) -> dict[Key, Cell]:
    """Until every route answers as usual; the last answers, when one does not in time."""
    nothing, until_s = Fault("nothing", "", fault.begin), time.monotonic() + _LONGEST_S
    while True:
        cells = _ask_all(world, nothing, 1)
        if time.monotonic() > until_s or not any(cell.findings for cell in cells.values()):
            return cells


def _ask_all(world: World, fault: Fault, rounds: int) -> dict[Key, Cell]:
    cells = {key: Cell() for key in ROUTES}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        asked = [(key, threads.submit(_ask, world, key, fault)) for _ in range(rounds) for key in ROUTES]
        for key, answer in asked:
            _take(cells[key], *answer.result())
    return cells


def _ask(world: World, key: Key, fault: Fault) -> tuple[int, float, list[str], str]:
    """Status (0: no answer), milliseconds, codes of what was missing, and what is wrong with the answer."""
    route, method = ROUTES[key], key[0]
    sent = route.sent(world, next(_numbers))
    headers = {"content-type": "application/json", **{k.lower(): v for k, v in sent.headers.items()}}
    began_s = time.perf_counter()
    try:
        answer = world.served.http.request(method, sent.path, content=sent.body, headers=headers, timeout=_LONGEST_S)
    except httpx.HTTPError as error:
        return 0, (time.perf_counter() - began_s) * 1e3, [], repr(error)
    took_ms = (time.perf_counter() - began_s) * 1e3
    return answer.status_code, took_ms, *_judged(route, fault, answer)


def _judged(route: Route, fault: Fault, answer: httpx.Response) -> tuple[list[str], str]:
    if answer.status_code == route.usual:
        return (route.degraded(answer.json()) if answer.content[:1] == b"{" else []), ""
    if answer.status_code in (429, 503) and route.needs & fault.breaks:
        error = answer.json()["error"]
        well = answer.headers.get("retry-after", "").isdigit() and error["detail"]
        return [error["reason"]], "" if well else f"{answer.status_code} says not what to do: {answer.text}"
    return [], f"{answer.status_code}: {answer.text[:200]}"


def _take(cell: Cell, status: int, took_ms: float, codes: Sequence[str], finding: str) -> None:
    cell.statuses[status] += 1
    cell.took_ms.append(took_ms)
    cell.degraded.update(cause_of(code) for code in codes)
    if finding:
        cell.findings.append(finding)


def _causes_wanted(fault: Fault, cells: dict[Key, Cell]) -> list[str]:
    """Whether decisions named what the fault takes away, and nothing else."""
    found = set(cells["POST", "/personalize"].degraded)
    wanted = set(fault.degraded)
    return [] if found == wanted else [f"decisions name {sorted(found)} as missing, not {sorted(wanted)}"]


def _wait_seen(world: World, fault: Fault) -> None:
    """Until the service shows that it knows of the fault, if it is one that it can know of before it is asked."""
    if fault.seen:
        wait_for(lambda: _is_seen(world.served.http.get("/health").json(), fault.seen), f"{fault.name} is not seen", 30)


def _is_seen(health: dict[str, Any], word: str) -> bool:
    return health.get(word) is False or word in str(health["problems"])
