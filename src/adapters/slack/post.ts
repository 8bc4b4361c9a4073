import http from 'node:http';
import https from 'node:https';

// Slack answers many replies over one connection; `fetch` costs several times as much for each.
const agents = {
  'http:': new http.Agent({ keepAlive: true, maxSockets: 64 }),
  'https:': new https.Agent({ keepAlive: true, maxSockets: 64 }),
};

/** Posts JSON and answers the status. Throws when the answer takes longer than `timeoutMs` altogether. */
export function postJson(address: string, body: unknown, timeoutMs: number): Promise<number> {
  const url = new URL(address);
  const { request } = url.protocol === 'http:' ? http : https;
  const text = Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      {
        method: 'POST',
        agent: agents[url.protocol as keyof typeof agents],
        headers: { 'content-type': 'application/json; charset=utf-8', 'content-length': text.length },
      },
      (answer) => {
        answer.resume();
        answer.on('error', reject);
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      },
    );
    const late = setTimeout(() => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    asked.on('error', reject);
    asked.on('close', () => clearTimeout(late));
    asked.end(text);
  });
}
