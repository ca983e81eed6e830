"""The HEALTHCHECK of the container: exit code 0 if the web process answers /healthz, else 1."""

import http.client
import os
import sys
from urllib.parse import urlsplit


def main() -> int:
    """Call the web process under the host name of SITE_URL, because ALLOWED_HOSTS allows it."""
    name = urlsplit(os.environ.get("SITE_URL", "http://127.0.0.1")).netloc
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("WEB_PORT", "8000")), timeout=4
    )
    try:
        connection.request("GET", "/healthz", headers={"Host": name})
        return 0 if connection.getresponse().status == 200 else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
