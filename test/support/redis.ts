/** Where tests that have Redis as their subject find it; undefined where there is none, and then they are skipped by name. */
export const testRedisUrl: string | undefined = process.env.TEST_REDIS_URL;
if (process.env.REQUIRE_ALL_TESTS && !testRedisUrl) throw new Error('TEST_REDIS_URL is missing');

/** A database of that Redis for one test file alone, so that no other file's workers take its jobs. */
export function redisDatabase(index: number): string | undefined {
  if (!testRedisUrl) return undefined;
  const url = new URL(testRedisUrl);
  url.pathname = `/${index}`;
  return url.toString();
}
