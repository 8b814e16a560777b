"""A mapping file that is wrong is refused with file, line, key, and what is allowed; one that is mended is taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sources import SECRET, SHOP, shop

from rapport.errors import MappingError
from rapport.webhooks import Sources, example_names, example_text

SIGNED = SHOP.replace("unsigned: true", "signature: {header: X-Sig, secret_file: shop.secret}")
WRONG = {
    "an unknown key": (SHOP + "colour: red\n", ["shop.yaml, line 16, colour", "unknown key", "ignore"]),
    "a near miss": (SHOP.replace("zone:", "zon:"), ["line 3, time.zon", "did you mean zone?"]),
    "a near miss in an event": (SHOP.replace("    when:", "    wen:"), ["line 8, events[0].wen", "did you mean when?"]),
    "a condition that is none": (
        SHOP.replace("equals", "equal"),
        ["events[0].when.kind.equal", "did you mean equals?"],
    ),
    "a condition on a path": (
        SHOP.replace("kind: {equals:", "a.b.kind: {equal:"),
        ["line 8, events[0].when.a.b.kind.equal", "did you mean equals?"],
    ),
    "a topic that is none": (SHOP.replace("purchase_events", "purchases"), ["line 7, events[0].topic", "purchases"]),
    "a field that the event has not": (
        SHOP.replace("order_id:", "order:"),
        ["line 11, events[0].fields.order", "order_id"],
    ),
    "a required field left out": (
        SHOP.replace("      order_id: id\n", ""),
        ["events[0]", "needs the field 'order_id'"],
    ),
    "two sources": (SHOP.replace("{constant: EUR}", "{constant: EUR, column: c}"), ["line 13", "exactly one of"]),
    "no time": (SHOP.replace("time:", "# time:"), ["events[0]", "no `time`"]),
    "a zone that is none": (SHOP.replace("Europe/Vienna", "Mars/Olympus"), ["line 3, time.zone", "Europe/London"]),
    "one id for all": (SHOP.replace('"shop:{id}"', "shop"), ["line 5, event_id", "same id"]),
    "a loose brace": (SHOP.replace('"shop:{id}"', '"shop:{id"'), ["line 5, event_id", "brace"]),
    "nothing says who signs": (SHOP.replace("unsigned: true\n", ""), ["no signature", "unsigned: true"]),
    "signed and unsigned": (SIGNED + "unsigned: true\n", ["line 16, unsigned", "leave one"]),
    "a secret that is not there": (SIGNED, ["line 2, signature.secret_file", "shop.secret", "cannot be read"]),
    "a separator of nothing": (
        SIGNED.replace("shop.secret}", 'shop.secret, separator: "."}'),
        ["line 2, signature.separator", "timestamp_header"],
    ),
    "an encoding that is none": (
        SIGNED.replace("shop.secret}", "shop.secret, encoding: rot13}"),
        ["signature.encoding"],
    ),
    "another name": (SHOP.replace("name: shop", "name: store"), ["line 1, name", "shop.yaml"]),
    "everything ignored": (SHOP.replace("{kind: {one_of: [ping]}}", "{}"), ["line 15, ignore[0]", "every payload"]),
    "a number that is cut": (
        SHOP.replace("order_id: id", "order_id: {column: id, type: integer, cut: 3}"),
        ["line 11, events[0].fields.order_id.cut", "only a text"],
    ),
    "no events": ("name: shop\nunsigned: true\nevents: []\n", ["line 3, events"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_mapping_names_line_key_and_what_is_allowed(name: str, tmp_path: Path) -> None:
    text, expected = WRONG[name]
    with pytest.raises(MappingError) as caught:
        shop(tmp_path, text)
    for part in expected:
        assert part in str(caught.value)


@pytest.mark.parametrize("secret", [b"", b"\n", b"short\n", SECRET + b"\nshort"])
def test_a_secret_has_to_be_long(tmp_path: Path, secret: bytes) -> None:
    (tmp_path / "shop.secret").write_bytes(secret)
    with pytest.raises(MappingError, match="at least 16 characters"):
        shop(tmp_path, SIGNED)


def test_an_unknown_example_lists_those_there_are() -> None:
    with pytest.raises(MappingError, match="behaviour, chat, crm, helpdesk, shop, transactions"):
        example_text("shopp")
    assert len(example_names()) == 6


def test_a_folder_is_followed(tmp_path: Path) -> None:
    sources = Sources(tmp_path / "webhooks")
    sources.refresh()
    assert sources.names() == [] and sources.problems == {}
    folder = tmp_path / "webhooks"
    folder.mkdir()
    shop(folder)
    (folder / "other.yaml").write_text("name: [")
    sources.refresh()
    assert sources.names() == ["shop"] and set(sources.problems) == {"other"}
    before = sources.get("shop")
    # Wrong now: what it said before goes on.
    (folder / "shop.yaml").write_text(SHOP + "colour: red\n")
    sources.refresh()
    assert sources.get("shop") is before and "colour" in sources.problems["shop"]
    # A secret that is missing, and then there.
    (folder / "shop.yaml").write_text(SIGNED)
    sources.refresh()
    assert sources.get("shop") is before
    (folder / "shop.secret").write_bytes(SECRET)
    os.utime(folder / "shop.yaml")
    sources.refresh()
    source = sources.get("shop")
    assert source is not None and source.loaded.secrets == (SECRET,) and set(sources.problems) == {"other"}
    (folder / "shop.secret").write_bytes(SECRET + b"\n" + SECRET * 2)
    sources.refresh()
    changed = sources.get("shop")
    assert changed is not None and len(changed.loaded.secrets) == 2
    (folder / "shop.yaml").unlink()
    sources.refresh()
    assert sources.names() == []
