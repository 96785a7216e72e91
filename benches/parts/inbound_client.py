"""Mail servers that bring mail as fast as it is taken: ``python -m benches.parts.inbound_client PORT CONNECTIONS MAILS SIZE RECIPIENT``.

Prints one line of JSON: seconds, and how long each 250 took after its dot, in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

# The server lets nobody hand over more in one session.
MAILS_A_SESSION = 400


def mail_of(number: str, size: int) -> bytes:
    """Return a report of about so many bytes, different from any other."""
    head = (f"From: MAILER-DAEMON@far.example\r\nSubject: Undelivered Mail Returned to Sender\r\nMessage-ID: <{number}@far.example>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\n"
            "Your message could not be delivered.\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; far.example\r\n\r\n"
            "Final-Recipient: rfc822; p1@example.org\r\nAction: failed\r\nStatus: 4.2.2\r\nDiagnostic-Code: smtp; 452 4.2.2 Mailbox full\r\n\r\n"
            "--B\r\nContent-Type: message/rfc822\r\n\r\nSubject: Hi\r\n\r\n")
    line = "A paragraph of an ordinary newsletter, as long as such are.\r\n"
    return (head + line * ((size - len(head)) // len(line)) + "--B--\r\n.\r\n").encode()


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes, replies: int = 1) -> str:
    writer.write(data)
    line = b""
    for _ in range(replies):
        line = await reader.readline()
        while line[3:4] == b"-":
            line = await reader.readline()
    return line.decode()


async def _session(port: int, name: str, mails: int, size: int, recipient: str) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _say(reader, writer, b"", 1)
    await _say(reader, writer, b"EHLO far.example\r\n")
    took = []
    for number in range(mails):
        said = await _say(reader, writer, f"MAIL FROM:<>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode(), 3)
        if not said.startswith("354"):
            raise SystemExit(f"not taken: {said}")
        data = mail_of(f"{name}.{number}", size)
        began = time.perf_counter()
        said = await _say(reader, writer, data)
        took.append(1000 * (time.perf_counter() - began))
        if not said.startswith("250"):
            raise SystemExit(f"not kept: {said}")
    writer.write(b"QUIT\r\n")
    writer.close()
    return took


async def _connection(port: int, name: str, mails: int, size: int, recipient: str) -> list[float]:
    took: list[float] = []
    while len(took) < mails:
        took += await _session(port, f"{name}.{len(took)}", min(MAILS_A_SESSION, mails - len(took)), size, recipient)
    return took


async def bring(port: int, connections: int, mails: int, size: int, recipient: str) -> tuple[float, list[float]]:
    """Bring so many mails in all; return the seconds, and what each answer took."""
    began, mark = time.perf_counter(), f"{time.time_ns()}"
    took = await asyncio.gather(*(_connection(port, f"{mark}.{one}", mails // connections, size, recipient) for one in range(connections)))
    return time.perf_counter() - began, [one for each in took for one in each]


if __name__ == "__main__":
    seconds, answers = asyncio.run(bring(*map(int, sys.argv[1:5]), sys.argv[5]))
    sys.stdout.write(json.dumps({"seconds": seconds, "answers_ms": answers}) + "\n")
