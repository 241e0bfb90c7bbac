"""A receiver of webhooks that believes what the libraries of others believe.

Told by one argument of JSON: `secrets`, each of which must have signed a request, and `events`,
whether it must be a CloudEvent. Prints its port, then a line of JSON for each request. Ends with
its standard input.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from standardwebhooks import Webhook

WISH = json.loads(sys.argv[1])


def examine(headers, body):
    for secret in WISH["secrets"]:
        Webhook(secret).verify(body, headers)
    if not WISH["events"]:
        return {}
    event = from_structured_event(HTTPMessage(headers=headers, body=body))
    return {
        "id": event.get_id(),
        "type": event.get_type(),
        "source": event.get_source(),
        "data": event.get_data(),
    }


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer, said = 204, examine(headers, body)
        except Exception as error:
            answer, said = 400, {"problem": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
