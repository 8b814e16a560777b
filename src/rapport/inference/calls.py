"""One inference: a body in, an answer out."""

from __future__ import annotations

from rapport.inference.answers import Answer, answer_of
from rapport.inference.inputs import matrix_of
from rapport.inference.offers import Offer, Output
from rapport.inference.tensors import refused, values_of
from rapport.inference.wire import InferRequest, read_request

__all__ = ["call"]


def call(offer: Offer, body: bytes, header_length: str | None = None) -> Answer:
    """Compute what a request asks of a model.

    Args:
        body: the request, JSON with the tensors' bytes behind it or not.
        header_length: how many bytes are JSON, as the header says; None: all.

    Raises:
        Refusal: 400.
    """
    received = read_request(body, header_length)
    wanted = _wanted(offer, received.request)
    matrix = matrix_of(tuple(offer.columns), received.request.inputs, values_of(received))
    given = {name: (output.datatype, output.compute(matrix)) for name, output in wanted.items()}
    return answer_of(offer, received.request, given, len(matrix))


def _wanted(offer: Offer, request: InferRequest) -> dict[str, Output]:
    if not request.outputs:
        return {name: output for name, output in offer.outputs.items() if output.unasked}
    for place, asked in enumerate(request.outputs):
        if asked.name not in offer.outputs:
            raise refused(f"outputs[{place}].name", f"{asked.name[:80]!r} is no output; {', '.join(offer.outputs)} are")
    return {asked.name: offer.outputs[asked.name] for asked in request.outputs}
