"""Imported by the fork server for its effect: the engine's compiled code is loaded once, not by every forked flow."""

from rapport.windows.__main__ import main

main()
