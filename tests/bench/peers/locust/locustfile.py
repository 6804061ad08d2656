"""A client of the bench for locust, with websocket-client.

PEER_URL and PEER_SESSIONS say what to do; the number of users is locust's own. It stops itself once so many sessions have
ended, and exits with 0 only if each of them was verified.
"""

import json
import os
import time

import gevent
import websocket
from locust import User, events, task
from locust.exception import StopUser

URL = os.environ["PEER_URL"]
SESSIONS = int(os.environ["PEER_SESSIONS"])
EXECUTE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "execute", "params": {"command": "bench"}})
# No message may take longer, in seconds.
PATIENCE = 30

started = 0
ended = 0
verified = 0


def session():
    """Run one command, check the one line that it prints, and return the number of bytes received."""
    size = 0
    texts = []
    socket = websocket.create_connection(URL, timeout=PATIENCE, skip_utf8_validation=True)
    try:
        text = socket.recv()
        size += len(text)
        message = json.loads(text)
        if message.get("method") != "connected":
            raise ValueError(f"expected the notification connected, received {message}")
        socket.send(EXECUTE)
        while True:
            text = socket.recv()
            size += len(text)
            message = json.loads(text)
            method = message.get("method")
            if method == "process.output":
                texts.append(message["params"]["data"])
            elif method == "process.completed":
                if message["params"]["exit_code"] != 0:
                    raise ValueError(f"expected exit_code 0, received {message}")
                if texts != ["Line 0: \n"]:
                    raise ValueError(f"expected the one line 'Line 0: ', received {texts}")
                return size
            elif "error" in message:
                raise ValueError(f"expected a result of execute, received {message}")
    finally:
        socket.close()


class BenchUser(User):
    """One of those at once: it runs one session after another, until all have been started."""

    @task
    def run_session(self):
        """Take one of the sessions that are left, and report it as locust's clients do."""
        global started, ended, verified
        if started == SESSIONS:
            raise StopUser
        started += 1
        begin = time.perf_counter()
        size = 0
        problem = None
        try:
            size = session()
            verified += 1
        except Exception as error:
            problem = error
        events.request.fire(
            request_type="WebSocket",
            name="session",
            response_time=(time.perf_counter() - begin) * 1000,
            response_length=size,
            exception=problem,
            context={},
        )
        ended += 1
        if ended == SESSIONS:
            # A user cannot wait for the end of all users.
            gevent.spawn(self.environment.runner.quit)


@events.quitting.add_listener
def judge(environment, **_):
    """Fail if some session was not verified."""
    if verified != SESSIONS:
        environment.process_exit_code = 1
