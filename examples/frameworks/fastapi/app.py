"""The application that the tests call. PGHOST, PGUSER and PGDATABASE say where its database is, LISTEN where it is."""

import logging
import os
from contextlib import asynccontextmanager
from typing import Annotated

import tokenauth
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from psycopg.errors import UniqueViolation
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from tokenauth import Token, require


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with AsyncConnectionPool(min_size=1, max_size=2, timeout=3) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)
tokenauth.install(app)


class Names(BaseModel):
    names: list[str]


@app.get("/devices")
async def devices(token: Annotated[Token, require("devices:read")]):
    shows_address = await token.covers("addresses:read")
    cursor = await token.connection.execute("SELECT name, host(address) FROM device ORDER BY name")
    return [{"name": name, "address": address if shows_address else None} async for name, address in cursor]


@app.post("/devices/new", status_code=201)
async def add(body: Names, token: Annotated[Token, require("devices:write")]):
    try:
        await save(token, body.names)
    except UniqueViolation:
        raise HTTPException(409) from None


@app.post("/careless", status_code=201)
async def add_carelessly(body: Names, token: Annotated[Token, require("devices:write")]):
    try:
        await save(token, body.names)
    except UniqueViolation:
        pass


@app.get("/late")
async def answer_late(token: Annotated[Token, require("devices:read")]):
    async def names():
        cursor = await token.connection.execute("SELECT name FROM device")
        async for (name,) in cursor:
            yield name

    return StreamingResponse(names())


async def save(token: Token, names: list[str]):
    for name in names:
        await token.connection.execute("INSERT INTO device (name) VALUES (%s)", (name,))


@app.get("/health")
async def health():
    """Needs no token, and so nobody is authenticated."""
    async with app.state.pool.connection() as connection:
        cursor = await connection.execute("SELECT tokenauth.current_owner()")
        (owner,) = await cursor.fetchone()
        return {"owner": owner}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    host, port = os.environ.get("LISTEN", "127.0.0.1:8080").split(":")
    # No proxy stands before it, so what its headers would say is anybody's word.
    config = uvicorn.Config(app, host=host, port=int(port), proxy_headers=False, access_log=False)
    socket = config.bind_socket()
    socket.listen()
    print("http://{}:{}".format(*socket.getsockname()), flush=True)
    uvicorn.Server(config).run(sockets=[socket])
