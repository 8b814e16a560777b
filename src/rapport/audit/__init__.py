"""Audits of the quality of what came in: each topic's last day against its own history, and what has changed in it.

`rapport.audit.run.audit` makes one; docs/audits.md says what is looked at, and how a change is told from chance.
"""

from rapport.audit.findings import CHECKS, SEVERITIES, Finding
from rapport.audit.report import VERSION, AuditReport
from rapport.audit.store import audits_folder, newest_audit

__all__ = ["CHECKS", "SEVERITIES", "VERSION", "AuditReport", "Finding", "audits_folder", "newest_audit"]
