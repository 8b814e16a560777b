"""The processes of one installation: started in order, watched, restarted when they die, stopped in order."""

from __future__ import annotations

from rapport.supervisor.control import down, status, up
from rapport.supervisor.state import Health, Phase, ServiceState, State, Wanted

__all__ = ["Health", "Phase", "ServiceState", "State", "Wanted", "down", "status", "up"]
