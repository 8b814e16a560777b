"""Google's own classes, run in an environment that has them: reads JSON lines, answers each with one.

{"api": "es" or "cx", "request": {…}}   the request through WebhookRequest, in both casings
{"api": "es" or "cx", "response": {…}}  the response through WebhookResponse, and back
"""

from __future__ import annotations

import json
import sys

from google.cloud import dialogflow_v2, dialogflowcx_v3
from google.protobuf import json_format

APIS = {"es": dialogflow_v2, "cx": dialogflowcx_v3}


def parsed(kind, value, *, lenient):
    message = kind()._pb
    json_format.ParseDict(value, message, ignore_unknown_fields=lenient)
    return message


def answer(asked):
    api = APIS[asked["api"]]
    try:
        if "request" in asked:
            message = parsed(api.WebhookRequest, asked["request"], lenient=True)
            names = (False, True)
            return {"casings": [json_format.MessageToDict(message, preserving_proto_field_name=one) for one in names]}
        message = parsed(api.WebhookResponse, asked["response"], lenient=False)
        return {"back": json_format.MessageToDict(message)}
    except json_format.ParseError as error:
        return {"error": str(error)}


for line in sys.stdin:
    sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
    sys.stdout.flush()
