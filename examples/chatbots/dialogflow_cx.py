"""Dialogflow CX's side of a conversation: the session's parameters of one turn come back with the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from examples.chatbots.stage import WORDS, Line, main, post, turn

SESSION = "projects/shop/locations/global/agents/a/sessions/s-1"


def play(url: str, customer: str) -> Iterator[Line]:
    parameters: dict[str, Any] = {}

    def ask(tag: str, words: str) -> Any:
        request = {
            "text": words,
            "languageCode": "en",
            "fulfillmentInfo": {"tag": tag},
            "sessionInfo": {"session": SESSION, "parameters": parameters},
            "payload": {"userId": customer},
        }
        answer = post(url, "/chatbots/dialogflow/cx", request)
        parameters.update(answer["sessionInfo"]["parameters"])
        return answer

    for words in WORDS:
        messages = ask("personalize", words)["fulfillmentResponse"]["messages"]
        tags = {name.removeprefix("rapport_"): value for name, value in parameters.items()}
        yield from turn(words, messages[0]["text"]["text"][0], tags)
    parameters.update(csat=4)
    ask("rapport.feedback", "4")
    yield f"          [feedback given; $session.params.csat: {parameters['csat']}]"


if __name__ == "__main__":
    main(play)
