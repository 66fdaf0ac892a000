// Lists with the official TypeScript SDK. Reads {"base": URL, "calls": [{"on": [...], "arguments": [...], "all": bool}]} from
// standard input, and writes for each call what came of it.
import Cloudflare from 'cloudflare';
import { text } from 'node:stream/consumers';

const { base, calls } = JSON.parse(await text(process.stdin));
let requests = [];
const client = new Cloudflare({
  apiToken: 'any',
  baseURL: base,
  maxRetries: 0,
  fetch: (url, init) => {
    requests.push(String(url));
    return fetch(url, init);
  },
});

const results = [];
for (const { on, arguments: args, all } of calls) {
  requests = [];
  const result = { requests };
  try {
    const method = on.at(-1);
    const owner = on.slice(0, -1).reduce((object, name) => object[name], client);
    const pending = owner[method](...args);
    if (all) {
      result.rows = [];
      for await (const row of pending) result.rows.push(row);
    } else {
      const answer = await pending;
      result.rows = answer.result ?? answer;
    }
  } catch (error) {
    result.error = String(error);
  }
  results.push(result);
}
console.log(JSON.stringify(results));
