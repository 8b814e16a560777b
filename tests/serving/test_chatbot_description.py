"""The description of the chatbots' routes: its examples are answered as it says."""

from __future__ import annotations

import pytest

from bentos.openapi_chatbots import chatbot_paths
from rapport.testing.models import NoiseModels
from rapport.testing.served import Served


@pytest.mark.parametrize("path", chatbot_paths())
def test_examples_are_answered(served: Served, models: NoiseModels, path: str) -> None:
    for method, operation in chatbot_paths()[path].items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        response = served.http.request(method, path, json=content.get("example"))
        assert str(response.status_code) in operation["responses"]
        # the platforms with secrets are not served without a file
        assert response.status_code == (404 if path.endswith(("chatwoot", "bot-framework")) else 200)
