"""Training: data set, fit, evaluation, registry, gate, promotion and rollback."""

from training.audit import AuditEntry, read_audit
from training.config import Progress, TrainConfig
from training.listing import ModelListing, list_models
from training.promote import GateResult, promote
from training.registry import Registered
from training.rollback import RollbackResult, rollback
from training.train import Candidate, TrainReport, train

__all__ = [
    "AuditEntry",
    "Candidate",
    "GateResult",
    "ModelListing",
    "Progress",
    "Registered",
    "RollbackResult",
    "TrainConfig",
    "TrainReport",
    "list_models",
    "promote",
    "read_audit",
    "rollback",
    "train",
]
