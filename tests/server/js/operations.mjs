// Asks a server with the official clients of both protocols; prints one line of JSON with what was told.
//   node operations.mjs ws|sse URL OPERATION.json
// The operation is {query, variables, messages}: it is left after so many messages, or when it is complete.

import { readFileSync } from "node:fs";
import { createClient as overEvents } from "graphql-sse";
import { createClient as overSocket } from "graphql-ws";
import WebSocket from "ws";

const [, , protocol, url, given] = process.argv;
const operations = JSON.parse(readFileSync(given, "utf-8"));

function client() {
  if (protocol === "ws") {
    return overSocket({ url: url.replace("http", "ws"), webSocketImpl: WebSocket, lazy: true, retryAttempts: 0 });
  }
  return overEvents({ url, retryAttempts: 0 });
}

const asking = client();
const told = [];
for (const { query, variables, messages } of operations) {
  const got = [];
  try {
    for await (const message of asking.iterate({ query, variables })) {
      got.push(message);
      if (got.length === messages) break;
    }
  } catch (error) {
    got.push({ failed: Array.isArray(error) ? error : String(error.message ?? error.reason ?? error) });
  }
  told.push(got);
}
asking.dispose?.();
console.log(JSON.stringify(told));
process.exit(0);
