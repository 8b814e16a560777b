"""How well the declared intents find what people want: recall of each intent, and how often others are taken for one.

`python -m benchmarks.intents CLINC.json BANKING.csv [--train]`: CLINC150 (data_full.json of clinc/oos-eval, CC BY 3.0)
and BANKING77 (banking_data/test.csv of PolyAI-LDN/task-specific-datasets, CC BY 4.0). Neither was written for a shop:
only those of their intents are asked for that mean the same there. --train: the training part, to improve phrases with;
figures are those of the other part.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rapport.events.text import normalize
from rapport.policy import DEFAULT_FOLDER, load_bundle

__all__ = ["main"]

SAME = {
    "order_status": "track_order",
    "greeting": "greeting",
    "goodbye": "goodbye",
    "thank_you": "thanks",
    "request_refund": "refund",
    "Refund_not_showing_up": "refund",
    "transaction_charged_twice": "payment_problem",
    "declined_card_payment": "payment_problem",
    "extra_charge_on_statement": "payment_problem",
}
"""Intent of the data to ours."""


def main() -> None:
    intents = load_bundle(DEFAULT_FOLDER).intents
    found: Counter[tuple[str, str | None]] = Counter()
    missed: dict[str, list[str]] = {}
    for text, label in _messages(Path(sys.argv[1]), Path(sys.argv[2]), "train" if "--train" in sys.argv else "test"):
        wanted, got = SAME.get(label, ""), intents.of(normalize(text))
        found[label if wanted else "", got] += 1
        if wanted != (got or ""):
            missed.setdefault(label if wanted else f"taken for {got}", []).append(text)
    for label, wanted in SAME.items():
        total = sum(count for (name, _), count in found.items() if name == label)
        print(f"{label:30} {wanted:18} recall {found[label, wanted] / total:.0%} of {total}")
    others = sum(count for (name, _), count in found.items() if not name)
    wrong = {got: count for (name, got), count in found.items() if not name and got}
    print(f"of {others} other messages, {sum(wrong.values()) / others:.1%} are taken for one: {wrong}")
    if "--train" in sys.argv:
        for label, texts in missed.items():
            print(f"\n{label}", *texts[:25], sep="\n  ")


def _messages(clinc: Path, banking: Path, part: str) -> Iterator[tuple[str, str]]:
    data = json.loads(clinc.read_text(encoding="utf-8"))
    for name in (part, f"oos_{part}"):
        yield from ((text, label) for text, label in data[name])
    with banking.open(encoding="utf-8", newline="") as file:
        yield from ((row["text"], row["category"]) for row in csv.DictReader(file))


if __name__ == "__main__":
    main()
