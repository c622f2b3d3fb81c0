// API tokens for Express 5, verified by PostgreSQL. Copy this file into your application.
//
//   const token = tokens(pool);
//   app.get("/devices", token("devices:read"), async (request, response) => {
//     const { rows } = await request.token.query("SELECT name FROM device");
//     response.json(rows);
//   });
//
// A request is one transaction on a client of the pool of node-postgres. Its first statement verifies the token and
// gives the transaction the identity of the token's owner, for row security; the next request begins as nobody.
//
// A handler that throws, or that answers with 400 or more, is rolled back. Otherwise what it has changed is committed
// before the response ends. One that streams has sent its status by then.

// Raises no error for a bad token, but returns the response to send. The token is a parameter, so no log shows it.
const SIGN_IN = `
  SELECT v.ok, v.verdict, v.owner, v.scopes, v.correlation_id,
         CASE WHEN NOT v.ok THEN tokenauth.error_response(v) END AS response
    FROM tokenauth.sign_in_request($1, require => $2, client => $3) v`;

const UNAVAILABLE = {
  status: 503,
  headers: { "Content-Type": "application/json", "Retry-After": "1" },
  body: { error: "unavailable", message: "Please try again" },
};
const BROKEN = {
  status: 500,
  headers: { "Content-Type": "application/json" },
  body: { error: "internal_error", message: "Something went wrong" },
};
// Returns the middleware: `token("devices:read")` lets in only tokens that grant this scope.
export function tokens(pool, log = console) {
  // Without listeners, a client that breaks would end the program: the pool hears of idle ones, each client of itself.
  pool.on("error", (error) => log.error(error.message));
  pool.on("connect", (client) => client.on("error", (error) => log.error(error.message)));

  return (...scopes) =>
    async (request, response, next) => {
      const transaction = new Transaction(pool);
      let v;
      try {
        v = await transaction.begin(request, scopes);
        // A refusal is committed as well: without shared memory, the transaction itself writes the usage.
        if (!v.ok) await transaction.end("COMMIT");
      } catch (error) {
        // The database cannot be asked, so nobody is let in.
        log.error(error.message);
        transaction.abandon();
        return send(response, UNAVAILABLE);
      }
      log.info(v.correlation_id, v.verdict, v.owner);
      if (!v.ok) return send(response, v.response);

      const query = (...statement) => transaction.client.query(...statement);
      request.token = {
        owner: v.owner,
        scopes: v.scopes,
        query,
        // Whether the token grants this scope too, for what only the handler can decide.
        covers: async (scope) => (await query("SELECT tokenauth.covers($1, $2)", [v.scopes, scope])).rows[0].covers,
      };
      // Caches know that an answer to Authorization is nobody else's, but nothing of X-API-Key.
      response.setHeader("Cache-Control", "no-store");
      // The response waits for the end of the transaction.
      const { end } = response;
      response.end = (...last) => {
        response.end = end;
        transaction.end(response.statusCode < 400 ? "COMMIT" : "ROLLBACK").then(
          () => response.end(...last),
          (error) => {
            log.error(error.message);
            response.headersSent ? response.destroy() : send(response, BROKEN);
          },
        );
        return response;
      };
      // A client that has gone away gets no response.
      response.once("close", () => transaction.abandon());
      next();
    };
}

class Transaction {
  constructor(pool) {
    this.pool = pool;
  }

  async begin(request, scopes) {
    // The database gets only the headers that can contain a token.
    const { authorization, "x-api-key": key } = request.headersDistinct;
    const presented = JSON.stringify({ authorization, "x-api-key": key });
    this.client = await this.pool.connect();
    await this.client.query("BEGIN");
    // Behind a proxy, `ip` is the proxy's address until Express is told whose header to believe ("trust proxy").
    const statement = { name: "sign in", text: SIGN_IN, values: [presented, scopes, request.ip] };
    return (await this.client.query(statement)).rows[0];
  }

  async end(how) {
    if (!this.client) return; // The transaction was abandoned.
    const { command } = await this.client.query(how);
    this.client?.release();
    this.client = undefined;
    // PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and with no error.
    if (command !== how) throw new Error("the handler has overlooked an error of the database");
  }

  // Closes the connection, unless the transaction has ended: a transaction that is left open must serve nobody else.
  abandon() {
    this.client?.release(true);
    this.client = undefined;
  }
}

function send(response, { status, headers, body }) {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  response.end(JSON.stringify(body));
}
