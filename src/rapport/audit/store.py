"""Where audits are kept: `reports/audit` of the data folder, a JSON file and a page each, the newest ones.

One audit at a time, by a lock file that the system releases when its holder dies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rapport.archive.locks import exclusive_now
from rapport.audit.findings import Finding
from rapport.audit.report import VERSION, AuditReport
from rapport.clock import from_us
from rapport.errors import ServiceError
from rapport.files import write_whole
from rapport.settings import Settings

__all__ = ["audits_folder", "last_findings", "list_audits", "newest_audit", "only_one", "save"]

_FORMAT = "%Y-%m-%dT%H-%M-%S.%fZ"


def audits_folder(settings: Settings) -> Path:
    """Where the audits of an installation are."""
    return settings.data_dir / "reports" / "audit"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """No other audit of this folder runs while the block does.

    Raises:
        ServiceError: one runs already.
    """
    with exclusive_now(folder / ".lock") as alone:
        if not alone:
            raise ServiceError(f"another audit runs, and writes to {folder}: wait until it has ended, or stop it")
        yield


def save(folder: Path, report: AuditReport, page: str, keep: int) -> Path:
    """Write the report's two files, and drop the oldest ones; returns the page's path. Under `only_one`.

    Args:
        keep: how many audits stay, this one among them.
    """
    path = folder / f"{from_us(report.made_us):{_FORMAT}}.html"
    write_whole(path, page.encode())
    # The page first: a report that is there has its page.
    write_whole(path.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(report), indent=1))
    for old in list_audits(folder)[:-keep]:
        old.unlink(missing_ok=True)
        old.with_suffix(".html").unlink(missing_ok=True)
    return path


def list_audits(folder: Path) -> list[Path]:
    """The JSON files of the audits, oldest first."""
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def newest_audit(folder: Path) -> AuditReport | None:
    """The newest audit that can be read."""
    return next(_newest_first(folder), None)


def last_findings(folder: Path, topics: Sequence[str], until_us: int) -> tuple[list[Finding], int | None]:
    """The open findings of these topics, each of the newest audit of it whose window ended before a time; and the
    newest end of these windows, None without any audit."""
    missing, found, ends = set(topics), list[Finding](), list[int]()
    for report in _newest_first(folder):
        if not missing:
            break
        audited = {one.topic for one in report.topics} & missing
        if report.until_us > until_us or not audited:
            continue
        found += [finding for finding in report.findings if finding.topic in audited]
        ends.append(report.until_us)
        missing -= audited
    return found, max(ends, default=None)


def _newest_first(folder: Path) -> Iterator[AuditReport]:
    """Audits of another version of the format, and files that are none, are left out."""
    for path in reversed(list_audits(folder)):
        try:
            report = msgspec.json.decode(path.read_bytes(), type=AuditReport)
        except (OSError, msgspec.MsgspecError):
            continue
        if report.version == VERSION:
            yield report
