"""Who may do what: API keys, tokens, scopes, tenants, rates, and what production asks of the settings."""

from rapport.access.caller import LOCAL, Caller
from rapport.access.gate import Admitted, Gate
from rapport.access.keys import KeyFile, StoredKey, keys_path
from rapport.access.registry import create_key, revoke_key, rotate_key
from rapport.access.safety import problems_of, require_safe
from rapport.access.scopes import ALL_TENANTS, OF_INSTALLATION, SCOPES

__all__ = [
    "ALL_TENANTS",
    "LOCAL",
    "OF_INSTALLATION",
    "SCOPES",
    "Admitted",
    "Caller",
    "Gate",
    "KeyFile",
    "StoredKey",
    "create_key",
    "keys_path",
    "problems_of",
    "require_safe",
    "revoke_key",
    "rotate_key",
]
