"""Who asks, and what they may: the outcome of checking a credential."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rapport.access.scopes import OF_INSTALLATION, SCOPES
from rapport.intake.refusal import Refusal

__all__ = ["LOCAL", "Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller that was recognized.

    Attributes:
        name: for counting and limiting, never a secret: `key:3f0a…`, `token:chatbot-eu`.
        scopes: what it may do.
        tenant: whose customers it may speak of: those whose id begins with the tenant and a colon. "" all of them.
        rate_per_s: requests per second that it may make; 0: any.
    """

    name: str
    scopes: frozenset[str]
    tenant: str = ""
    rate_per_s: float = 0.0

    def require_scope(self, scope: str) -> None:
        """Return if the caller has the scope.

        Raises:
            Refusal: 403.
        """
        if scope not in self.scopes:
            # RFC 6750 has this header say which scope is needed
            headers = {"WWW-Authenticate": f'Bearer realm="rapport", error="insufficient_scope", scope="{scope}"'}
            raise Refusal(403, "missing_scope", "", f"this needs the scope {scope}, which the caller has not", headers)
        if scope in OF_INSTALLATION:
            self.require_whole(scope)

    def require_whole(self, what: str) -> None:
        """Return if the caller is not one of a tenant.

        Raises:
            Refusal: 403.
        """
        if self.tenant:
            raise _others(f"{what} is for callers of the whole installation, not of one tenant", "")

    def owns(self, customer_id: str) -> bool:
        return not self.tenant or customer_id.startswith(f"{self.tenant}:")

    def require_customers(self, customer_ids: Iterable[str], field: str = "customer_id") -> None:
        """Return if all customers are the caller's.

        Raises:
            Refusal: 403; does not say which, for ids are personal data.
        """
        if self.tenant and not all(map(self.owns, customer_ids)):
            raise _others(f"the caller's customers are those whose id begins with {self.tenant}:", field)


def _others(detail: str, field: str) -> Refusal:
    return Refusal(403, "wrong_tenant", field, detail)


LOCAL = Caller("local", frozenset(SCOPES))
"""Who asks without a credential in development: this machine."""
