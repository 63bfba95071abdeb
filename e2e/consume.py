"""A consumer by a library of Python, which writes the data of each event as a line of
JSON: consume.py LIBRARY URL."""
import asyncio
import json
import sys
import urllib.request

library, url = sys.argv[1:]


def say(data):
    print(json.dumps(data), flush=True)


def data_of(lines):
    for line in lines:
        text = line.decode() if isinstance(line, bytes) else line
        text = text.rstrip("\n")
        if text.startswith("data: "):
            say(text[6:])


def plain():
    with urllib.request.urlopen(url, timeout=60) as answer:
        data_of(answer)


def by_requests():
    import requests

    with requests.get(url, stream=True, timeout=(5, 60)) as answer:
        answer.raise_for_status()
        data_of(answer.iter_lines())


async def by_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession(read_bufsize=1 << 20) as session:
        async with session.get(url) as answer:
            async for line in answer.content:
                data_of([line])


async def by_websockets():
    import websockets

    async with websockets.connect(url) as socket:
        async for text in socket:
            say(text)


{
    "plain": plain,
    "requests": by_requests,
    "aiohttp": lambda: asyncio.run(by_aiohttp()),
    "websockets": lambda: asyncio.run(by_websockets()),
}[library]()
