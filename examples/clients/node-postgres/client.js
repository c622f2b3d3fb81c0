// Tokens of tokenauth in a Node application, with node-postgres.
//
// Presents the tokens in the environment variables LITERAL_TOKEN, BIND_TOKEN and DIGEST_TOKEN, each in the form that
// the name says. The variables of libpq (PGHOST, PGUSER, PGDATABASE, ...) say where the database is; ../schema.sql sets
// it up.

import { createHash } from "node:crypto";
import { inspect } from "node:util";
import pg from "pg";

const pool = new pg.Pool();
// A connection that breaks under a request fails the request's next query. Without a listener the event would end the
// program; the pool's own hears only of idle ones.
pool.on("connect", (client) => client.on("error", () => {}));
pool.on("error", () => {});

const verification = (call) =>
  `SELECT v.*, CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS response FROM ${call} v`;

// The token is a bind parameter. A statement with a name is prepared once for each connection.
const bind = {
  verify: async (token, ...require) => {
    const text = verification("tokenauth.verify($1, require => $2)");
    const { rows } = await pool.query({ name: "verify", text, values: [token, require] });
    return rows[0];
  },
  authenticate: (client, token) => client.query("SELECT tokenauth.authenticate($1)", [token]),
};

// The token is written into the statement, so logs show it.
const literal = {
  verify: async (token, ...require) => {
    const call = `tokenauth.verify(${pg.escapeLiteral(token)}, require => $1)`;
    const { rows } = await pool.query(verification(call), [require]);
    return rows[0];
  },
  authenticate: (client, token) => client.query(`SELECT tokenauth.authenticate(${pg.escapeLiteral(token)})`),
};

// The server never sees the token: it gets only the lookup, which is public, and the SHA-256. The lookup is followed by
// 32 characters of secret and 6 of checksum.
const digested = (token) => [token.slice(0, -38), createHash("sha256").update(token).digest()];

const digest = {
  verify: async (token, ...require) => {
    const text = verification("tokenauth.verify_digest($1, $2, require => $3)");
    const { rows } = await pool.query({ name: "verify_digest", text, values: [...digested(token), require] });
    return rows[0];
  },
  authenticate: (client, token) => client.query("SELECT tokenauth.authenticate_digest($1, $2)", digested(token)),
};

// A transaction that is authenticated by the token: it sees its owner's rows and manages tokens as its owner. It must
// stay on one client of the pool.
async function authenticated(form, token, work) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query("BEGIN");
    await form.authenticate(client, token);
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((lost) => (broken = lost));
    throw error;
  } finally {
    client.release(broken);
  }
}

async function present(form, token) {
  // A request takes one statement, which returns who it is or, for a refused token, the response to send.
  let v = await form.verify(token, "devices:read");
  console.log(`${v.verdict} ${v.http_status}: ${v.owner} by ${inspect(v.token_id)} until ${v.expires_at.toISOString()}`);
  console.log(`  scopes ${inspect(v.scopes)}, data scopes ${inspect(v.data_scopes)}, response ${v.response}`);
  v = await form.verify(token, "devices:read", "devices:write");
  const challenge = v.response.headers["WWW-Authenticate"];
  console.log(`${v.verdict} ${v.http_status}: ${inspect(v.detail)}, challenge ${inspect(challenge)}`);

  // In an authenticated transaction, policies do the rest; without a token they show nothing.
  const nothing = await pool.query("SELECT name FROM device");
  console.log("devices without a token:", nothing.rows);
  const devices = await authenticated(form, token, (client) =>
    client.query("SELECT name, address FROM device ORDER BY name"),
  );
  for (const device of devices.rows) console.log(`device ${device.name} at ${inspect(device.address)}`);

  // The holder manages tokens with the token. The text of a new one is returned once and never again.
  await authenticated(form, token, async (client) => {
    const one = async (text, values) => (await client.query(text, values)).rows[0];
    const { owner } = await one("SELECT tokenauth.current_owner() AS owner");
    const issued = await one(
      "SELECT * FROM tokenauth.issue('api', $1, 'CI', scopes => $2, networks => $3, expires_in => $4)",
      [owner, ["devices:read"], ["192.0.2.0/24"], "30 days"],
    );
    const days = (issued.expires_at - issued.created_at) / 86_400_000;
    console.log(`issued ${issued.hint} for ${days} days, ${issued.token.length} characters`);
    const rotated = await one("SELECT * FROM tokenauth.rotate($1, grace => $2)", [issued.id, "1 hour"]);
    const status = await one("SELECT * FROM tokenauth.rotation_status($1)", [rotated.id]);
    console.log("rotated:", status.predecessor === issued.id && status.successor === rotated.id);
    const t = await one(
      "SELECT name, status, networks, request_count FROM tokenauth.list(kind => 'api') WHERE rotated_from = $1",
      [issued.id],
    );
    // A bigint is a string here, since a JavaScript number cannot hold every bigint.
    console.log(`listed ${t.name}: ${t.status}, networks ${inspect(t.networks)}, used ${inspect(t.request_count)} times`);
    for (const id of [rotated.id, rotated.id]) {
      const revoked = await one("SELECT tokenauth.revoke($1, 'no longer needed') AS was_alive", [id]);
      console.log("revoked, was alive:", revoked.was_alive);
    }
  });

  // Anything that is not allowed raises an error, and the transaction is rolled back.
  const refused = async (work) => {
    try {
      await authenticated(form, token, work);
    } catch (error) {
      if (!["28000", "42501", "42704"].includes(error.code)) throw error;
      console.log(`${error.code}: ${error.message}${error.hint ? `; ${error.hint}` : ""}`);
    }
  };
  await refused((client) => client.query("SELECT token FROM tokenauth.issue('api', 'user:1', scopes => '{devices:write}', expires_in => '30 days')"));
  await refused((client) => client.query("SELECT token FROM tokenauth.issue('robot', 'user:1')"));

  // The token is dead as soon as this transaction has committed.
  await authenticated(form, token, (client) => client.query("SELECT tokenauth.revoke(tokenauth.current_token_id())"));
  v = await form.verify(token, "devices:read");
  console.log(`${v.verdict} ${v.http_status}: ${v.owner}, scopes ${v.scopes}, body ${inspect(v.response.body.error)}`);
  await refused(() => console.log("no program comes here"));
}

for (const [name, form] of Object.entries({ literal, bind, digest })) {
  console.log(`-- ${name}`);
  await present(form, process.env[`${name.toUpperCase()}_TOKEN`]);
}
await pool.end();
