"""The configuration of gunicorn, from the same environment variables as the other processes."""

import os
import subprocess
import sys
from typing import Any

from audiencesync.core import environment
from audiencesync.core.process import start

env = environment.Environment()
with start.exit_on_bad_settings():
    port = env.whole("WEB_PORT", 8000, least=1, most=65_535)
    workers = env.whole("WEB_WORKERS", 2, least=1, most=256)
    threads = env.whole("WEB_THREADS", 8, least=1, most=256)
    is_demo = env.flag("DEMO", False)
    log_format = env.choice("LOG_FORMAT", "plain" if is_demo else "json", among=("json", "plain"))

wsgi_app = "audiencesync.wsgi"
bind = f"{os.environ.get('WEB_HOST', '127.0.0.1')}:{port}"
worker_class = "gthread"
max_requests, max_requests_jitter = 5000, 500
graceful_timeout = 20  # seconds for running requests after SIGTERM
control_socket_disable = True
forwarder_headers = ""  # a client must not set SCRIPT_NAME, and with it the URLs on our pages
BODY_SECONDS = 30  # without data; then the thread of a request whose body stalls is freed


def pre_request(worker: object, request: Any) -> None:
    """Set a timeout for the body: gunicorn itself limits only the time for headers."""
    request.unreader.sock.settimeout(BODY_SECONDS)


def on_starting(server: object) -> None:
    """Run the start-up checks once before any worker starts."""
    # In the workers, one that refuses to start would make the others end with a traceback. In a
    # separate process, so that no code is loaded here: after HUP, workers load it from the disk.
    if ended := subprocess.run(
        [sys.executable, "-m", "audiencesync.core.process.start"], check=False
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
