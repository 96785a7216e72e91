"""Signing in: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195). A password is never shown to a wire that others may read."""

from __future__ import annotations

import base64
import binascii
import hmac

from app.delivery.transports.smtp_opening import HIDDEN, Dialogue
from app.delivery.transports.smtp_server import SessionFailed
from app.mail.reply import Phase
from app.words import words


async def sign_in(dialogue: Dialogue) -> None:
    """Sign in with the first way that is offered and safe; raise SessionFailed.

    PLAIN and LOGIN show the password: they want TLS, or an internal server whose security was chosen as "none".
    """
    offered = dialogue.features.get("AUTH", "").upper().split()
    is_private = dialogue.channel.is_encrypted or dialogue.server.internal
    for way, speak in (("PLAIN", _plain), ("LOGIN", _login)):
        if way in offered and is_private:
            await speak(dialogue)
            return
    if "CRAM-MD5" not in offered:
        raise SessionFailed(_why_not(offered, is_private), Phase.AUTH)
    await _cram_md5(dialogue)


def _why_not(offered: list[str], is_private: bool) -> str:
    if not offered:
        return words("The server offers no signing in (AUTH). Turn authentication off, or check port and security.")
    if not is_private and {"PLAIN", "LOGIN"} & set(offered):
        return words("The password would go in clear, so it was not sent. Choose STARTTLS or TLS for this server.")
    return words("The server offers %(ways)s to sign in, and none of PLAIN, LOGIN and CRAM-MD5.", ways=", ".join(offered))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def _plain(dialogue: Dialogue) -> None:
    server = dialogue.server
    secret = _encoded(f"\0{server.username}\0{server.password}")
    dialogue.say(f"AUTH PLAIN {secret}", shown=f"AUTH PLAIN {HIDDEN}")
    await dialogue.expect(Phase.AUTH, 235)


async def _login(dialogue: Dialogue) -> None:
    dialogue.say("AUTH LOGIN")
    await dialogue.expect(Phase.AUTH, 334)
    dialogue.say(_encoded(dialogue.server.username), shown=HIDDEN)
    await dialogue.expect(Phase.AUTH, 334)
    dialogue.say(_encoded(dialogue.server.password), shown=HIDDEN)
    await dialogue.expect(Phase.AUTH, 235)


async def _cram_md5(dialogue: Dialogue) -> None:
    server = dialogue.server
    dialogue.say("AUTH CRAM-MD5")
    reply = await dialogue.expect(Phase.AUTH, 334)
    try:
        challenge = base64.b64decode(reply.text, validate=True)
    except binascii.Error as error:
        raise SessionFailed(words("The server's CRAM-MD5 challenge cannot be read."), Phase.AUTH, reply) from error
    digest = hmac.new(server.password.encode(), challenge, "md5").hexdigest()
    dialogue.say(_encoded(f"{server.username} {digest}"), shown=HIDDEN)
    await dialogue.expect(Phase.AUTH, 235)
