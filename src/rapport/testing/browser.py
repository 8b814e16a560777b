"""A headless Chromium for tests of pages: Debian's `chromium`, driven by Playwright, kept to loopback addresses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["Opened", "chromium_path", "open_page"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@dataclass(frozen=True, slots=True)
class Opened:
    """A page in the browser, and what went wrong on it so far.

    Attributes:
        page: Playwright's page.
        errors: uncaught script errors, and answers of 500 and above with their address; grows while the page is used.
    """

    page: Page
    errors: list[str]

    def wait_for(self, *texts: str, timeout_s: float = 30.0) -> None:
        """Wait until every text is visible on the page.

        Raises:
            playwright.sync_api.TimeoutError: one does not appear in time.
        """
        for text in texts:
            self.page.get_by_text(text).first.wait_for(state="visible", timeout=timeout_s * 1_000)

    def screenshot(self, path: Path) -> Path:
        """Save what the window shows as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))
        return path


def chromium_path() -> str | None:
    """The machine's Chromium; None when there is none (a test then skips: `apt-get install chromium`)."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def open_page(url: str, *, width: int = 1_400, height: int = 1_600) -> Iterator[Opened]:
    """Open an address in a browser of its own, which ends with the block.

    Raises:
        RuntimeError: this machine has no Chromium.
    """
    from playwright.sync_api import sync_playwright

    executable = chromium_path()
    if executable is None:
        raise RuntimeError(
            f"none of {', '.join(_NAMES)} is on PATH: install Chromium (Debian: apt-get install chromium)"
        )
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, headless=True, args=_ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            opened = Opened(page, [])
            page.on("pageerror", lambda error: opened.errors.append(str(error)))
            page.on("response", lambda r: opened.errors.append(f"{r.status} {r.url}") if r.status >= 500 else None)
            page.goto(url, wait_until="domcontentloaded")
            yield opened
        finally:
            browser.close()
