// Runs the audits of GraphQL over HTTP on the server at the given URL: a line for each that is not ok, then how many are.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2], fetchFn: fetch });
for (const { id, name, status, reason } of results) {
  if (status !== 'ok') console.log(`${status} ${id} ${name}: ${reason}`);
}
console.log(`${results.filter(({ status }) => status === 'ok').length} of ${results.length}`);
