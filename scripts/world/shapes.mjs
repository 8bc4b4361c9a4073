/**
 * The shapes of providers that keys are spread over: how many keys one of them has, and how many others it holds that are
 * nobody's business here.
 */
export const shapes = {
  'self-made': { perProvider: Number.POSITIVE_INFINITY, others: 0 },
  openai: { perProvider: 40, others: 2 },
  sendgrid: { perProvider: 45, limit: 100 },
  azure: { perProvider: 1, others: 0 },
  aws: { perProvider: 1, others: 0 },
  okta: { perProvider: 1, others: 0 },
  'gitlab-rotates': { perProvider: 1, others: 1 },
};

/** Which key is of which provider. `weights` says how often each shape comes; SendGrid is filled up so that `spare` places are left. */
export function spread(count, weights, chance, spare = 6) {
  const keys = [];
  const providers = [];
  const open = {};
  for (let number = 1; number <= count; number++) {
    const shape = chance.weighed(weights);
    if (shape === 'self-made') {
      keys.push({ number, shape, provider: shape });
      continue;
    }
    let provider = open[shape];
    if (!provider || provider.keys.length >= shapes[shape].perProvider) {
      const order = providers.filter((each) => each.shape === shape).length + 1;
      provider = { name: `${shape}-${order}`, shape, keys: [], others: 0 };
      providers.push(provider);
      open[shape] = provider;
    }
    provider.keys.push(number);
    keys.push({ number, shape, provider: provider.name });
  }
  for (const provider of providers) {
    const { limit, others } = shapes[provider.shape];
    provider.others = limit ? limit - spare - provider.keys.length : others;
  }
  return { keys, providers };
}
