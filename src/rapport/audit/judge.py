"""From a Profile to findings: everything that is judged of a topic.

A finding needs both: a figure outside its fence, which chance alone hardly ever brings about, and a change that is
large enough to matter. With less than a week of history nothing is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rapport.audit.fences import ENOUGH_DAYS, Fence, rare_fence
from rapport.audit.findings import Check, Finding
from rapport.audit.letters import ELSEWHERE
from rapport.audit.profile import Counted, Counts, Profile, zeros
from rapport.audit.ranges import judge_ranges
from rapport.audit.shares import SOME, Share, judge_share
from rapport.audit.spelling import spelled_otherwise
from rapport.audit.volume import judge_refused_elsewhere, judge_volume
from rapport.audit.words import percent

__all__ = ["check_of_reason", "judge", "learning"]

_CHECKS: dict[str, Check] = {
    "missing_field": "missing",
    "no_customer": "missing",
    "duplicate": "duplicates",
    "future_event": "future",
}
_BY_VALUE = 0.05
"""A change of how often a value or a shape comes that matters."""
_WORDS = 20
"""The most frequent values of a field whose shares are compared."""
_TOLD = 5
"""New texts that a finding names."""


def check_of_reason(reason: str) -> Check:
    """The check that the reason of a dead letter belongs to."""
    return _CHECKS.get(reason, "formats")


def learning(profile: Profile) -> str:
    """Why nothing is judged yet, in a sentence; "" when it is."""
    if profile.known >= ENOUGH_DAYS or profile.topic == ELSEWHERE:
        return ""
    return f"learning: {profile.known} of the {ENOUGH_DAYS} days of history that are needed"


def judge(profile: Profile) -> list[Finding]:
    """What is not as it was in a topic; nothing while it is being learned."""
    if profile.topic == ELSEWHERE:
        return judge_refused_elsewhere(profile)
    if learning(profile):
        return []
    found = judge_volume(profile)
    shares = [*_missing(profile), *_refused(profile), *_duplicates(profile), *_times(profile), *_texts(profile)]
    found += [finding for share in shares if (finding := judge_share(profile, share))]
    # Values say more than their shapes.
    shapes = {name: one for name, one in profile.shapes.items() if name not in profile.words}
    for kind, texts in (("shape", shapes), ("value", profile.words)):
        found += [finding for name, one in texts.items() if (finding := _unseen(profile, name, one, kind))]
    ranges = judge_ranges(profile)
    late = any(finding.what == "late" for finding in found)
    return found + [finding for finding in ranges if not (late and finding.check == "late")]


def _missing(profile: Profile) -> Iterator[Share]:
    for name, rows in profile.missing.items():
        yield Share(
            check="missing",
            field=name,
            what="missing",
            part=rows,
            whole=profile.rows,
            text=f"{name} is missing in {{now}} of the events; {{usual}} is usual, {{week}} last week",
            side="both",
            less_is_good=True,
        )


def _refused(profile: Profile) -> Iterator[Share]:
    whole = profile.rows + sum((one.rows for one in profile.refused), zeros())
    for one in profile.refused:
        what = f"{one.reason} ({one.field})" if one.field else one.reason
        yield Share(
            check=check_of_reason(one.reason),
            field=one.field,
            what=f"refused:{one.reason}",
            part=one.rows,
            whole=whole,
            text=f"{{now}} of the events are refused as {what}; {{usual}} is usual, {{week}} last week",
            reason=one.reason,
        )


def _duplicates(profile: Profile) -> Iterator[Share]:
    texts = {
        "repeats": "are in the archive a second time",
        "conflicts": "have the id of another event",
        "twins": "equal an earlier one in customer, time and all fields, under another id",
    }
    for what, text in texts.items():
        sentence = f"{{now}} of the events {text}; {{usual}} is usual, {{week}} last week"
        yield Share(check="duplicates", what=what, part=getattr(profile, what), whole=profile.checked, text=sentence)


def _times(profile: Profile) -> Iterator[Share]:
    late = "{now} of the events arrive late; {usual} is usual, {week} last week"
    yield Share(check="late", what="late", part=profile.late, whole=profile.rows, text=late, matters=SOME)
    ahead = "{now} of the events claim a time after their arrival; {usual} is usual, {week} last week"
    yield Share(check="future", what="ahead", part=profile.ahead, whole=profile.rows, text=ahead)


def _texts(profile: Profile) -> Iterator[Share]:
    """How texts are shared out among the shapes and values that history knows, and spellings of one value."""
    for name, counted in profile.shapes.items():
        for i in _known(counted) if name not in profile.words else ():
            yield _of_text(name, "shape", counted, i)
    for name, counted in profile.words.items():
        for i in _known(counted)[:_WORDS]:
            yield _of_text(name, "value", counted, i)
        if otherwise := spelled_otherwise(counted):
            text = (
                f"{name}: {_braced(otherwise.example)}; {{now}} of the events have a rarer spelling, {{usual}} is usual"
            )
            whole = _whole(counted)
            yield Share(check="formats", field=name, what="spelling", part=otherwise.rows, whole=whole, text=text)


def _of_text(name: str, kind: Literal["shape", "value"], counted: Counted, i: int) -> Share:
    label = counted.labels[i]
    return Share(
        check="formats",
        field=name,
        what=f"{kind}:{label}",
        part=counted.counts[:, i],
        whole=_whole(counted),
        text=f"{name}: {{now}} have the {kind} {_braced(label)}; {{usual}} is usual, {{week}} last week",
        matters=_BY_VALUE,
        side="up" if kind == "shape" else "both",
        worst="warning",
    )


def _known(counted: Counted) -> list[int]:
    """Places of the texts that history has, the most frequent first."""
    past = counted.counts[1:].sum(axis=0)
    return sorted((i for i, rows in enumerate(past) if rows), key=lambda i: -int(past[i]))


def _whole(counted: Counted) -> Counts:
    whole: Counts = counted.counts.sum(axis=1) + counted.left_out
    return whole


def _unseen(profile: Profile, name: str, counted: Counted, kind: str) -> Finding | None:
    """Texts that history lacks, where new ones hardly ever come.

    How many events with an unseen text are to be expected: as large a share as that of the texts that came once
    (Good, Biometrika 40, 1953).
    """
    whole = _whole(counted)
    before, now = int(whole[1:].sum()), int(whole[0])
    new = [i for i in range(len(counted.names)) if counted.counts[0, i] and not counted.counts[1:, i].any()]
    if not new or not before or not counted.complete:
        return None
    rare = rare_fence(counted.rare / before * now)
    part = zeros()
    part[0] = counted.counts[0, new].sum() + counted.left_out[0]
    new.sort(key=lambda i: -int(counted.counts[0, i]))
    told = ", ".join(f"{_braced(counted.labels[i])} ({percent(counted.counts[0, i] / now)})" for i in new[:_TOLD])
    more = f" and {len(new) - _TOLD} more" if len(new) > _TOLD else ""
    share = Share(
        check="formats",
        field=name,
        what=f"new_{kind}",
        part=part,
        whole=whole,
        text=f"{name}: {kind}s that history lacks: {told}{more}",
        worst="alarm" if kind == "shape" else "warning",
    )
    return judge_share(profile, share, Fence(0.0, rare.expected / now, rare.high / now))


def _braced(text: str) -> str:
    """A text that is to stay as it is in a sentence that is filled in."""
    return text.replace("{", "{{").replace("}", "}}")
