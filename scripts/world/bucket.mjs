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
  };
}

const awsThrottling =
  '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>r</RequestId></ErrorResponse>';
