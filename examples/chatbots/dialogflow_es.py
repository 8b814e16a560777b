"""Dialogflow ES's side of a conversation: the output contexts of one turn come back with the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from examples.chatbots.stage import WORDS, Line, main, post, turn

SESSION = "projects/shop/agent/sessions/s-1"


def play(url: str, customer: str) -> Iterator[Line]:
    contexts: list[dict[str, Any]] = []

    def ask(**result: Any) -> Any:
        request = {
            "session": SESSION,
            "queryResult": {
                "languageCode": "en",
                "outputContexts": contexts,
                "allRequiredParamsPresent": True,
                **result,
            },
            "originalDetectIntentRequest": {"source": "web", "payload": {"userId": customer}},
        }
        answer = post(url, "/chatbots/dialogflow/es", request)
        contexts[:] = answer.get("outputContexts", contexts)
        return answer

    for words in WORDS:
        answer = ask(queryText=words, action="answer")
        yield from turn(words, answer["fulfillmentText"], contexts[0]["parameters"])
    ask(queryText="4", action="rapport.feedback", parameters={"csat": 4})
    yield "          [feedback given for the decision of the context]"


if __name__ == "__main__":
    main(play)
