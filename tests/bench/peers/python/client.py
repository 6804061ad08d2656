"""A client of the bench with asyncio and websockets.

Usage: client.py sessions URL SESSIONS AT_ONCE, or client.py lines URL LINES. It exits with 0 only if all was verified.
"""

import asyncio
import json
import sys

import websockets

EXECUTE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "execute", "params": {"command": "bench"}})
# No session may take longer, in seconds.
PATIENCE = 60


async def session(url, on_output):
    """Run one command; on_output gets the text of each message of output."""
    async with asyncio.timeout(PATIENCE), websockets.connect(
        url, proxy=None, compression=None, ping_interval=None
    ) as socket:
        message = json.loads(await socket.recv())
        if message.get("method") != "connected":
            raise ValueError(f"expected the notification connected, received {message}")
        await socket.send(EXECUTE)
        async for text in socket:
            message = json.loads(text)
            method = message.get("method")
            if method == "process.output":
                on_output(message["params"]["data"])
            elif method == "process.completed":
                if message["params"]["exit_code"] != 0:
                    raise ValueError(f"expected exit_code 0, received {message}")
                return
            elif "error" in message:
                raise ValueError(f"expected a result of execute, received {message}")
        raise ValueError("expected process.completed, received the end of the connection")


async def sessions(url, count, at_once):
    """Run so many sessions, so many of them at once, and check the one line that each prints."""
    left = count

    async def user():
        nonlocal left
        while left > 0:
            left -= 1
            texts = []
            await session(url, texts.append)
            if texts != ["Line 0: \n"]:
                raise ValueError(f"expected the one line 'Line 0: ', received {texts}")

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(user())


async def lines(url, expected):
    """Run one session and count the lines that it prints."""
    count = 0

    def on_output(_text):
        nonlocal count
        count += 1

    await session(url, on_output)
    if count != expected:
        raise ValueError(f"expected {expected} lines of output, received {count}")


def main():
    match sys.argv[1:]:
        case ["sessions", url, count, at_once]:
            asyncio.run(sessions(url, int(count), int(at_once)))
        case ["lines", url, expected]:
            asyncio.run(lines(url, int(expected)))
        case other:
            sys.exit(f"expected sessions URL SESSIONS AT_ONCE or lines URL LINES, received {other}")


main()
