// Subscribes with the official WebSocket client, and goes on behind the last cursor whenever the server was gone.
//   node resume.mjs URL COUNT
// Prints, as one line of JSON, the texts of so many new memories, and how often it connected.

import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [, , url, count] = process.argv;
const query = `subscription ($after: String) { memoryChanged(after: $after) {
  ... on Message { cursor } ... on MemoryChanged { memory { text } } ... on ResumeAfter { after } } }`;
const texts = [];
let after = null;
let connected = 0;
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

while (texts.length < Number(count)) {
  const client = createClient({ url: url.replace("http", "ws"), webSocketImpl: WebSocket, lazy: true, retryAttempts: 0 });
  try {
    for await (const { data } of client.iterate({ query, variables: { after } })) {
      const told = data.memoryChanged;
      if (told.cursor && !told.memory) {
        connected += 1;
        console.log("listening");
      }
      if (told.memory) texts.push(told.memory.text);
      after = told.cursor ?? told.after ?? after;
      if (texts.length >= Number(count)) break;
    }
  } catch {
    connected += 1;
    await pause();
  }
  client.dispose();
}
console.log(JSON.stringify({ texts, connected }));
process.exit(0);
