// The HTTP side: reads a request, and throws the answer to send when that fails.

import { Buffer } from "node:buffer";

const MAX_BODY = 64 * 1024;

export class Answer {
  constructor(status, body, headers = {}) {
    this.status = status;
    this.body = body;
    this.headers = { "Content-Type": "application/json", ...headers };
  }
}

const invalid = (status, message, headers) => new Answer(status, { error: "invalid_request", message }, headers);

// Reads the GraphQL request in the body of a POST to this path.
export async function receive(request, path) {
  if (request.url.split("?")[0] !== path) throw new Answer(404, { error: "not_found", message: "There is no such thing" });
  if (request.method !== "POST") throw invalid(405, "GraphQL is asked with POST", { Allow: "POST" });
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) throw invalid(415, "The body must be JSON");
  const body = asJson(await whole(request));
  if (typeof body?.query !== "string") throw invalid(400, "There is no query");
  return body;
}

async function whole(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY) throw invalid(413, "The body is too large", { Connection: "close" });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function asJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(400, "The body is no JSON");
  }
}
