"""Whether drift calls for retraining: a pure function of a report, the last retraining, the time and the settings."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.summary import Summary
from rapport.settings import Settings

__all__ = ["Decision", "retrain_decision"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why in one sentence."""

    retrain: bool
    reason: str


def retrain_decision(summary: Summary, last_retrain_us: int | None, now_us: int, settings: Settings) -> Decision:
    """Retrain when enough features have drifted, on enough rows, long enough after the last retraining.

    Args:
        summary: the newest report of the champion.
        last_retrain_us: when drift last started a retraining of this model; None: never.
        now_us: the present, on the same clock.
        settings: drift_share, drift_min_rows and drift_cooldown_s.
    """
    found = f"{len(summary.drifted)} of {len(summary.columns)} features drifted ({summary.share:.0%})"
    if summary.rows < settings.drift_min_rows:
        return Decision(False, f"{summary.rows} decisions in the window; {settings.drift_min_rows} are needed")
    if not summary.drifted or summary.share < settings.drift_share:
        return Decision(False, f"{found}; {settings.drift_share:.0%} start a retraining")
    if last_retrain_us is not None:
        passed_s = (now_us - last_retrain_us) / 1e6
        if passed_s < settings.drift_cooldown_s:
            wait_s = settings.drift_cooldown_s - passed_s
            return Decision(
                False, f"{found}, but the last retraining is {passed_s:.0f} s old; wait {wait_s:.0f} s more"
            )
    return Decision(True, f"{found}, at or above {settings.drift_share:.0%}: {_worst(summary)}")


def _worst(summary: Summary, shown: int = 5) -> str:
    names = summary.drifted
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
