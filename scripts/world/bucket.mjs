import http from 'node:http';

/** So many a second, and so many at once; what comes beyond that is refused, as AWS and the providers do. */
function bucketOf({ perSecond, burst }) {
  let tokens = burst;
  let at = performance.now();
  return () => {
    const now = performance.now();
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
    at = now;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}

/**
 * Limits by kind of call: `{ write: { calls: ['PutSecretValue', …], perSecond, burst } }`. Kinds that are in no list are
 * not limited. Counts what came and what was refused.
 */
export function openBucket(limits) {
  const buckets = Object.entries(limits).map(([name, { calls, ...rate }]) => ({
    name,
    calls: new Set(calls),
    take: bucketOf(rate),
    asked: 0,
    refused: 0,
  }));
  const take = (kind) => {
    const bucket = buckets.find((each) => each.calls.has(kind));
    if (!bucket) return true;
    bucket.asked++;
    if (bucket.take()) return true;
    bucket.refused++;
    return false;
  };
  const seen = () => Object.fromEntries(buckets.map(({ name, asked, refused }) => [name, { asked, refused }]));
  return {
    take,
    seen,
    refusal: (shape) =>
      shape === 'aws'
        ? { status: 400, headers: { 'content-type': 'text/xml' }, body: awsThrottling }
        : { status: 429, headers: { 'retry-after': '1' }, body: { error: 'too many requests' } },
    /** Stands before a Secrets Manager and lets through what its limits allow. */
    async before(aws) {
      const to = new URL(aws.url);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
      const server = http.createServer((request, response) => {
        const operation = String(request.headers['x-amz-target'] ?? '').split('.')[1];
        if (!take(operation)) {
          request.resume();
          const body = JSON.stringify({ __type: 'ThrottlingException', message: 'Rate exceeded' });
          return response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' }).end(body);
        }
        const { host: _, ...headers } = request.headers;
        const options = { host: to.hostname, port: to.port, method: request.method, path: request.url, headers, agent };
        const onwards = http.request(options, (answer) => {
          response.writeHead(answer.statusCode, answer.headers);
          answer.pipe(response);
        });
        onwards.on('error', () => request.socket.destroy());
        request.pipe(onwards);
      });
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      return { ...aws, url: `http://127.0.0.1:${server.address().port}`, limits: seen };
    },
  };
}

const awsThrottling =
  '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>r</RequestId></ErrorResponse>';
