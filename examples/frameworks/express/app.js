// The application that the tests call. PGHOST, PGUSER and PGDATABASE say where its database is, LISTEN where it is.

import express from "express";
import pg from "pg";
import { tokens } from "./tokenauth.js";

const pool = new pg.Pool({ max: 2, connectionTimeoutMillis: 3000 });
const token = tokens(pool, { info: console.error, error: console.error });

const app = express();
// Read the body first: a slow sender must not hold a client of the pool.
app.use(express.json());

app.get("/devices", token("devices:read"), async (request, response) => {
  const showsAddress = await request.token.covers("addresses:read");
  const { rows } = await request.token.query("SELECT name, address FROM device ORDER BY name");
  response.json(rows.map(({ name, address }) => ({ name, address: showsAddress ? address : null })));
});

app.post("/devices/new", token("devices:write"), async (request, response) => {
  try {
    await save(request);
    response.status(201).json({});
  } catch (error) {
    if (error.code !== "23505") throw error;
    response.status(409).json({ error: "conflict" });
  }
});

app.post("/careless", token("devices:write"), async (request, response) => {
  await save(request).catch(() => {});
  response.status(201).json({});
});

async function save(request) {
  for (const name of request.body.names) await request.token.query("INSERT INTO device (name) VALUES ($1)", [name]);
}

// Needs no token, and so nobody is authenticated.
app.get("/health", async (request, response) => {
  const { rows } = await pool.query("SELECT tokenauth.current_owner() AS owner");
  response.json(rows[0]);
});

const [host, port] = (process.env.LISTEN ?? "127.0.0.1:8080").split(":");
const server = app.listen(port, host, () => console.log(`http://${host}:${server.address().port}`));
