"""Imported by the fork server for its effect: what every flow loads is loaded once, not by every forked flow."""

from rapport.events.text import analyse
from rapport.windows.__main__ import main

main()
analyse("hello")
