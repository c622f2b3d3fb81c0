// Palpabl's GraphQL API: PostGraphile's schema over its tables. Each request is a transaction authenticated by its token.
//
//   DATABASE_URL=postgres://palpabl_api@/palpabl?host=/var/run/postgresql LISTEN=127.0.0.1:8080 node server.js
//
// PostGraphile is used as a library ("schema only"): it makes the schema, and resolves queries on the client that we pass.

import { createServer } from "node:http";
import { formatError, getOperationAST, graphql, parse } from "graphql";
import pg from "pg";
import postgraphile from "postgraphile";
import { Answer, receive } from "./http.js";
import { scopesOf } from "./scopes.js";

const PATH = "/netbox/graphql/";

// Verifies the token and gives the transaction its owner's identity. For a bad token it returns the response to send, and
// raises no error.
const SIGN_IN = `
  SELECT v.verdict, v.name, v.owner, v.correlation_id,
         CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS refusal
    FROM tokenauth.sign_in_request($1, require => $2, client => $3) v`;

// The server notices within a second that a request was given up, and ends its query: otherwise abandoned requests would
// hold more connections than the pool knows of.
const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  options: "-c client_connection_check_interval=1s",
  max: 8,
  connectionTimeoutMillis: 3000,
});
// Without listeners, a connection that breaks would end the program: the pool hears of idle ones, each client of itself.
pool.on("error", (error) => log(error.message));
pool.on("connect", (client) => client.on("error", (error) => log(error.message)));

const log = (...words) => console.error(new Date().toISOString(), ...words);

// The schema contains only what the role may do.
const schema = await postgraphile.createPostGraphileSchema(pool, "public", { ignoreRBAC: false });

async function answer(request) {
  // Read the body before taking a connection: a slow sender must not hold one.
  const { query, variables, operationName } = await receive(request, PATH);
  const { authorization, "x-api-key": key } = request.headersDistinct;
  const presented = [JSON.stringify({ authorization, "x-api-key": key }), scopesOf(schema, query), request.socket.remoteAddress];

  const client = await pool.connect().catch(unavailable);
  let fault = true; // If anything goes wrong, the connection is closed, and its identity ends with it.
  try {
    await client.query("BEGIN");
    const { rows: [caller] } = await client.query({ name: "sign in", text: SIGN_IN, values: presented });
    const response = caller.refusal ?? (await execute(client, caller, { source: query, variableValues: variables, operationName }));
    // A refusal is committed as well: without shared memory, the transaction itself writes the usage.
    const { command } = await client.query(response.body.errors ? "ROLLBACK" : "COMMIT");
    // PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and with no error.
    if (command === "ROLLBACK" && !response.body.errors) throw new Error("the transaction had failed");
    fault = false;
    log(caller.correlation_id, response.status, caller.verdict, JSON.stringify([caller.name, caller.owner]));
    return new Answer(response.status, response.body, { ...response.headers, "X-Correlation-Id": caller.correlation_id });
  } finally {
    client.release(fault);
  }
}

async function execute(client, caller, operation) {
  const { data, errors } = await graphql({ schema, contextValue: { pgClient: client }, ...operation });
  const told = (error) => {
    // PostgreSQL's message goes to the log; the client gets the code, which tells what kind of error it was.
    const { code, message } = error.originalError ?? {};
    if (code === undefined) return formatError(error);
    log(caller.correlation_id, code, message);
    const extensions = { sqlstate: code, correlationId: caller.correlation_id };
    return { message: "PostgreSQL has refused this", path: error.path, locations: error.locations, extensions };
  };
  // Without data nothing was executed: the query does not fit the schema.
  const status = data === undefined ? 400 : 200;
  if (!errors) return { status, body: { data } };
  // With an error everything is rolled back, so nothing of a mutation may be told as done.
  const isMutation = getOperationAST(parse(operation.source), operation.operationName)?.operation === "mutation";
  return { status, body: { errors: errors.map(told), data: isMutation && data ? null : data } };
}

function unavailable(error) {
  log(error.message);
  throw new Answer(503, { error: "unavailable", message: "Please try again" }, { "Retry-After": "1" });
}

const server = createServer({ requestTimeout: 15_000, headersTimeout: 10_000 }, async (request, response) => {
  const { status, headers, body } = await answer(request).catch((error) => {
    if (error instanceof Answer) return error;
    log(error.message);
    return new Answer(500, { error: "internal_error", message: "Something went wrong" });
  });
  response.writeHead(status, headers).end(JSON.stringify(body));
});

const [host, port] = (process.env.LISTEN ?? "127.0.0.1:8080").split(":");
server.listen(port, host, () => console.log(`http://${host}:${server.address().port}`));
process.on("SIGTERM", () => {
  server.close(() => pool.end());
  server.closeIdleConnections(); // Node 18 would wait for them.
});
