"""``./run`` after its set-up: start the house, say where it is, watch over it, end it."""

from __future__ import annotations

import http.client
import os
import signal
import sys
from pathlib import Path
from typing import IO

from launch import folder, ports, strays, valkey
from launch.family import Family, Interrupted
from launch.options import Options, environment, parse
from launch.output import Console
from launch.processes import command, house
from launch.refusal import Refusal

VALKEY_WITHIN_S = 30.0
HEALTHY_WITHIN_S = 120.0
# A web process that fell over this often before its first answer will not get up by itself.
FALLS = 3


def main(arguments: list[str]) -> int:
    """Run the house until somebody asks it to end; return the exit status."""
    options = parse(arguments)
    console = Console(max(len(program.name) for program in house()))
    try:
        lock = folder.hold(options.data)
    except Refusal as refusal:
        return _refuse(refusal)
    return _run(options, console, lock)


def _run(options: Options, console: Console, lock: IO[str]) -> int:
    with lock:
        if count := strays.end_strays(options.data):
            console.say(f"Ended what an earlier run had left behind ({count} {'process' if count == 1 else 'processes'})")
        try:
            ports.check_ports(options)
            with Family(options.data, console) as family:
                _start(options, family)
                _greet(options, family, console)
                family.watch()
        except Refusal as refusal:
            return _refuse(refusal)
        except Interrupted:
            console.say("Ended")
    return 0


def _start(options: Options, family: Family) -> None:
    """Bring up everything, in the order in which one needs the other; raise Refusal where that fails."""
    redis_url = os.environ.get("REDIS_URL", "")
    server = None if redis_url else valkey.embedded(options.data)
    family.environ = environment(options, server.url if server else redis_url) | {strays.MARK: str(options.data)}
    if server is None:
        valkey.check_named(redis_url)
    else:
        _start_valkey(server, family, options.data)
    status, said = family.run(command("upgrade"))
    if status:
        raise Refusal(f"The database could not be brought up to date: {_reason(said) or f'flask upgrade ended with status {status}'}")
    web, *others = house()
    family.start(web)
    _await_pages(options, family)
    # Behind the pages: on a small machine everything at once would keep people waiting twice as long, and queues can wait.
    for program in others:
        family.start(program)


def _reason(said: list[str]) -> str:
    """Return the last line that says why: SQLAlchemy ends its errors with an address to read more at."""
    return next((line for line in reversed(said) if line.strip() and not line.startswith("(Background on this error")), "")


def _start_valkey(server: valkey.Embedded, family: Family, data: Path) -> None:
    child = family.start(server.program)
    family.wait(lambda: valkey.answers(server) or child.failures > 1, VALKEY_WITHIN_S)
    if not valkey.answers(server):
        raise Refusal(
            f"The embedded Valkey does not start; its words are in {data / 'logs' / 'valkey.log'}. It holds nothing that cannot be made "
            f"again: move the folder {data / 'redis'} away, then run ./run again"
        )


def _await_pages(options: Options, family: Family) -> None:
    """Wait until the pages answer; raise Refusal where they do not."""
    web = family.children["web"]
    family.wait(lambda: _is_healthy(options) or web.failures >= FALLS, HEALTHY_WITHIN_S)
    if not _is_healthy(options):
        raise Refusal(f"The pages do not answer on {options.address}. What the web process said is in {options.data / 'logs' / 'web.log'}")


def _greet(options: Options, family: Family, console: Console) -> None:
    """Say where the pages are, and what comes first."""
    console.say("")
    console.say(f"Lettermill runs at {options.address} (Ctrl-C ends it)")
    if options.demo and family.run(command("demo", logged=False))[0]:
        console.say("The demonstration did not end well; what it said is above")
    _say_set_up_link(family, console)
    console.say("")


def _say_set_up_link(family: Family, console: Console) -> None:
    """Say how to become administrator, as long as there is none."""
    status, said = family.run(command("setup-link", shown=False, logged=False))
    if status:
        raise Refusal(f"The set-up link could not be made: {said[-1] if said else f'status {status}'}")
    for line in (line for line in said if line.startswith("http")):
        console.say(f"Set it up with this link, which works once: {line}")


def _is_healthy(options: Options) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host)  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(host, options.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _refuse(refusal: Refusal) -> int:
    sys.stderr.write(f"{refusal}\n")
    return 1


if __name__ == "__main__":
    # The default would be KeyboardInterrupt in whatever line is at work; before the family is there, ending silently is right.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
