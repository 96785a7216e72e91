"""How the pages are served: gunicorn's configuration, for ``./run`` and for the container (``-c python:launch.web``).

GUNICORN_CMD_ARGS goes before everything here (gunicorn's own rule); WEB_CONCURRENCY and WEB_THREADS set processes and threads.
"""

from __future__ import annotations

import os
from typing import Any

_host = os.environ.get("LETTERMILL_HOST") or "127.0.0.1"
_port = os.environ.get("LETTERMILL_PORT") or "8000"

bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = int(os.environ.get("WEB_THREADS") or 4)
# A page that takes longer than this is a fault; imports and sendings are jobs.
timeout = 60
graceful_timeout = 8
keepalive = 5
# Shared memory where we may have some: the heartbeat file of a worker must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
# X-Forwarded-* is judged by the application against TRUSTED_PROXIES, and by nobody before it.
forwarded_allow_ips = ""
control_socket_disable = True
proc_name = "lettermill"
loglevel = os.environ.get("GUNICORN_LOGLEVEL", "warning")


def post_worker_init(worker: Any) -> None:
    """Let each process speak for itself, once it can answer: the settings' pages count who runs with the newest revision."""
    worker.wsgi.begin()
