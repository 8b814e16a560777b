"""rebuild: the online store, filled from the archive while the flow goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, duration, emit, progress, say, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import redis

    from rapport.archive import Archive
    from rapport.rebuild.lacking import Lacking
    from rapport.rebuild.run import RebuildReport
    from rapport.settings import Settings
    from rapport.windows import Plan

__all__ = ["rebuild"]


def rebuild(
    view: Annotated[list[str] | None, typer.Option(help="Only this view; may be given again.")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Only views over this topic; may be given again.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which views lack something.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and rebuild whenever a view lacks something, as `rapport up` does.")
    ] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the archive to come after the rows.", min=0)] = 60,
    memory: Annotated[str, typer.Option(help="Memory for sorting the archive; beyond it, the disk is used.")] = "1GB",
    as_json: Json = False,
) -> None:
    """Add to the online store's rows what they lack of their customers' past, from the archive; the flow goes on.

    A view lacks its past when it was declared after its events came, when its windows have changed, or when Redis was
    lost. It can be stopped and run again at any time.

    Example: rapport rebuild --view click_activity --dry-run
    """
    settings = settings_now()
    if watch:
        _watch(settings)
        return
    from rapport.archive import Archive
    from rapport.feast.catalog import open_store, plans_by_topic
    from rapport.online import WRITE_TIMEOUT_S, connect

    store = open_store(settings)
    archive = Archive(settings.data_dir / "archive")
    with connect(settings, timeout_s=WRITE_TIMEOUT_S) as client:
        found = _chosen(client, store.project, plans_by_topic(store), view or (), topic or ())
        if dry_run:
            _show_state(found, archive, as_json)
            return
        report = _run(settings, client, store.project, archive, found, wait, memory)
    if as_json:
        emit(report.as_dict())
        return
    if not report.views:
        say("no view lacks anything")
        return
    rows = [("customers read", report.customers), ("events read", report.events), ("rows written", report.written)]
    rows += [("written meanwhile by the flow", report.conflicts), ("damaged rows left", report.damaged)]
    table(("complete: " + ", ".join(report.views), "count"), rows)
    console().print(f"{duration(report.seconds)}, {report.customers / max(report.seconds, 1e-9):,.0f} customers/s")


def _chosen(
    client: redis.Redis,
    project: str,
    plans: Mapping[str, Sequence[Plan]],
    views: Sequence[str],
    topics: Sequence[str],
) -> list[Lacking]:
    from rapport.errors import DeclarationError
    from rapport.online import Keeping
    from rapport.rebuild.lacking import Unfinished, lacking_views

    known = {plan.view.name: topic for topic, some in plans.items() for plan in some}
    for given, names, what in ((views, known, "windowed view"), (topics, plans, "topic with a windowed view")):
        for name in given:
            if name not in names:
                raise DeclarationError(f"there is no {what} {name!r}; there are {', '.join(sorted(names))}")
    found = lacking_views(Keeping(client, project), Unfinished(client, project), plans)
    return [one for one in found if (not views or one.view in views) and (not topics or one.topic in topics)]


def _run(
    settings: Settings,
    client: redis.Redis,
    project: str,
    archive: Archive,
    found: Sequence[Lacking],
    wait_s: float,
    memory: str,
) -> RebuildReport:
    from rapport.archive.locks import exclusive_now
    from rapport.errors import ServiceError
    from rapport.rebuild.run import Rebuild, RebuildReport

    unknown = [one.view for one in found if one.kept is None]
    ready = [one for one in found if one.kept is not None]
    if unknown:
        text = (
            f"no flow keeps {', '.join(unknown)} as declared now: a flow notes since when it does as it starts. Start "
            "the flows, again if they run with an older declaration (`rapport down`, `rapport up`)"
        )
        if not ready:
            raise ServiceError(text)
        say(text)
    if not ready:
        return RebuildReport()
    with exclusive_now(settings.data_dir / "run" / "rebuild.lock") as alone:
        if not alone:
            raise ServiceError("another rebuild runs already: `rapport status` and logs/rebuild.log show it")
        with progress("rebuilding") as show:
            return Rebuild(client, project, archive, wait_s=wait_s, show=show, memory=memory).run(ready)


def _show_state(found: Sequence[Lacking], archive: Archive, as_json: bool) -> None:
    from rapport.clock import from_us

    rows: list[tuple[str, str, str, str | None]] = []
    for one in found:
        if one.kept is None:
            rows.append((one.view, one.topic, "not kept by a flow yet", None))
        else:
            since = from_us(one.kept.since_us).isoformat(timespec="seconds")
            rows.append((one.view, one.topic, "lacks its past", since))
    if as_json:
        names = ("view", "topic", "state", "kept_since")
        shown: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows]
        emit({"views": shown, "archived_topics": archive.topics()})
    elif rows:
        table(("view", "topic", "state", "kept since"), rows)
    else:
        say("no view lacks anything")


def _watch(settings: Settings) -> None:
    import logging
    import signal
    import threading

    from rapport.rebuild.watch import watch

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch(settings, stop)
