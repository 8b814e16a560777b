"""Feast's side of Rapport: from declarations to the engine, and the two store classes.

Feast warns of every stream feature view that they are experimental. Rapport's values do not come from Feast's
implementation of them, so exactly that message is silenced here; after `import feast`, whose modules put filters of
their own in front.
"""

import warnings

import feast  # noqa: F401

warnings.filterwarnings("ignore", "Stream feature views are experimental features", RuntimeWarning)
