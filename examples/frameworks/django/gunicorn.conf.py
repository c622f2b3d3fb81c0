"""How the tests serve app.py: with more threads than the pool has connections."""

import os

bind = os.environ.get("LISTEN", "127.0.0.1:8080")
threads = 4
control_socket_disable = True


def when_ready(server):
    print("http://{}:{}".format(*server.LISTENERS[0].getsockname()), flush=True)
