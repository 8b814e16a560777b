"""Models by the Open Inference Protocol v2: requests read, tensors checked, answers written; no HTTP in it."""

from rapport.inference.answers import Answer, model_metadata, server_metadata
from rapport.inference.calls import call
from rapport.inference.offers import Offer, offer_of
from rapport.inference.versions import Kept, KeptVersions
from rapport.inference.wire import DATATYPES, MAX_ROWS, InferRequest

__all__ = [
    "DATATYPES",
    "MAX_ROWS",
    "Answer",
    "InferRequest",
    "Kept",
    "KeptVersions",
    "Offer",
    "call",
    "model_metadata",
    "offer_of",
    "server_metadata",
]
