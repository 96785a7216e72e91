"""A stand-in worker: says that it runs, and ends at SIGTERM unless it is told to be stubborn or to fall over."""

import os
import signal
import sys
import time

name = sys.argv[1]
signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("STUBBORN") == name else lambda *_: sys.exit(0))
sys.stdout.write(f"{name} runs as {os.getpid()}\n")
if os.environ.get("FALLS") == name:
    sys.exit(3)
while True:
    time.sleep(60)
