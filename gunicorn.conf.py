"""gunicorn reads this by itself: the same environment variables for Procfile, systemd and containers; JSON logs."""

import os
import subprocess
import sys
from typing import Any

from audiencesync.core import environment, start

env = environment.Environment()
with start.in_one_line():
    port = env.whole("WEB_PORT", 8000, least=1, most=65_535)
    workers = env.whole("WEB_WORKERS", 2, least=1, most=256)
    threads = env.whole("WEB_THREADS", 8, least=1, most=256)
    is_demo = env.flag("DEMO", False)
    log_format = env.choice("LOG_FORMAT", "plain" if is_demo else "json", among=("json", "plain"))

wsgi_app = "audiencesync.wsgi"
bind = f"{os.environ.get('WEB_HOST', '127.0.0.1')}:{port}"
worker_class = "gthread"
max_requests, max_requests_jitter = 5000, 500
graceful_timeout = 20  # requests that run when SIGTERM comes may end within this
control_socket_disable = True
forwarder_headers = (
    ""  # a caller shall not choose SCRIPT_NAME, and with it the addresses on our pages
)
BODY_SECONDS = 30  # of silence: then a body that does not arrive gives its thread back


def pre_request(worker: object, request: Any) -> None:
    """gunicorn cuts off headers that do not arrive, but waits for a body for ever."""
    request.unreader.sock.settimeout(BODY_SECONDS)


def on_starting(server: object) -> None:
    """Before any worker: where one refuses to start, another may stumble over its end with a traceback.

    In a process of its own, so that the code is not loaded here: HUP starts workers with what is on the disk then.
    """
    if ended := subprocess.run(
        [sys.executable, "-m", "audiencesync.core.start"], check=False
    ).returncode:
        sys.exit(ended)


if log_format != "plain":
    logconfig_dict = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "audiencesync.core.logs.JsonLines"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            "gunicorn.error": {"handlers": ["console"], "level": "INFO", "propagate": False},
            "gunicorn.access": {"handlers": [], "level": "WARNING", "propagate": False},
        },
    }
