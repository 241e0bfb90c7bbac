"""A mail server that is not ours, told by one argument of JSON how to behave.

Prints its port, then each mail that it accepted as a line of JSON. Ends with its standard input.
"""

import asyncio
import base64
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

WISH = json.loads(sys.argv[1])


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = WISH["recipients"].get(address, "250 2.1.5 accepted")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        if not WISH["end"]:
            server.transport.abort()
            return "421 gone"
        if WISH["end"].startswith("2"):
            mail = {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "raw": base64.b64encode(envelope.original_content).decode(),
                "tls": session.ssl is not None or WISH["tls"] == "implicit",
                "user": session.authenticated,
            }
            print(json.dumps(mail), flush=True)
        return WISH["end"]

    async def auth_XOAUTH2(self, server, args):
        user, token = WISH["login"]
        good = f"user={user}\x01auth=Bearer {token}\x01\x01"
        said = base64.b64decode(args[1]).decode()
        return AuthResult(success=said == good, handled=False)


def authenticate(server, session, envelope, mechanism, data):
    good = LoginPassword(*(word.encode() for word in WISH["login"]))
    return AuthResult(success=data == good, handled=False)


def serve():
    tls = WISH["tls"]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(WISH["cert"], WISH["key"])
    more = {}
    if tls == "starttls":
        more = {"tls_context": context, "require_starttls": True}
    if WISH["login"]:
        more.update(authenticator=authenticate, auth_required=True)
        more.update(auth_require_tls=tls == "starttls")
    return SMTP(Handler(), hostname="aiosmtpd", **more), context if tls == "implicit" else None


async def main():
    loop = asyncio.get_running_loop()
    _, context = serve()
    server = await loop.create_server(lambda: serve()[0], "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
