// Who may import whom: the table in docs/architecture.md. Everything points inward; each SDK has one home.
const areas =
  'inventory|people|access|rotation|offboarding|incidents|monitoring|reviews|training|audit|digest|calendar|runbooks';
const doorFile = '(slack|http|cli|cards|home|modals|pages|[a-z]+-(slack|http|cards|modals))\\.ts';
const modelFile = '(model|[a-z-]+-model)\\.ts';
// The same kinds of file in an area or in a part of it: a folder inside an area changes nothing.
const inside = '(?:[a-z/-]+/|)';
const models = `^src/(${areas})/${inside}${modelFile}$`;
const rule = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: allowed },
});
const sdk = (name, packages, homes) => ({
  name: `one-home-for-${name}`,
  severity: 'error',
  from: { path: '^src/', pathNot: homes },
  to: { path: packages, dependencyTypesNot: ['type-only'] },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    rule('kernel-imports-nothing', '^src/kernel\\.ts$', ['^$']),
    rule('policy', '^src/policy\\.ts$', ['^src/(kernel|provider-settings)\\.ts$']),
    rule('provider-settings', '^src/provider-settings\\.ts$', ['^$']),
    rule('models', `^src/(${areas})/${inside}(${modelFile}|.*-document\\.ts)$`, ['^src/(kernel|policy)\\.ts$', models]),
    rule('blocks', '^src/blocks\\.ts$', ['^src/kernel\\.ts$']),
    rule('html', '^src/html\\.ts$', ['^$']),
    rule('jobs', '^src/jobs\\.ts$', ['^src/kernel\\.ts$']),
    rule('ports-and-doors', '^src/(ports|doors)\\.ts$', ['^src/(kernel|jobs|policy|blocks|html|ports)\\.ts$', models]),
    {
      name: 'verbs',
      severity: 'error',
      from: { path: `^src/(${areas})/`, pathNot: [`/${doorFile}$`, `/${modelFile}$`] },
      to: {
        path: '^src/',
        pathNot: [
          '^src/(kernel|policy|ports|jobs)\\.ts$',
          models,
          `^src/$1/${inside}(?![a-z-]*(slack|http|cli|cards|home|modals|pages)\\.ts$)[^/]+$`,
        ],
      },
    },
    {
      name: 'doors-of-an-area',
      severity: 'error',
      from: { path: `^src/(${areas})/${inside}${doorFile}$` },
      to: {
        path: '^src/',
        pathNot: ['^src/(kernel|policy|ports|jobs|doors|blocks|html)\\.ts$', models, '^src/$1/'],
      },
    },
    {
      name: 'adapters',
      severity: 'error',
      from: { path: '^src/adapters/([^/]+)' },
      to: {
        path: '^src/',
        pathNot: [
          '^src/(kernel|policy|provider-settings|ports|jobs|doors|blocks|html)\\.ts$',
          models,
          '^src/adapters/$1',
        ],
      },
    },
    {
      name: 'local',
      severity: 'error',
      from: { path: '^src/local/([^/]+)' },
      to: {
        path: '^src/',
        pathNot: ['^src/(kernel|policy|ports|jobs|doors|blocks|html)\\.ts$', models, '^src/local/'],
      },
    },
    rule('main-imports-the-command-line', '^src/main\\.ts$', ['^src/command-line\\.ts$']),
    sdk('bolt', '^node_modules/@slack/(bolt|web-api|socket-mode)', ['^src/adapters/slack/', '^src/local/slack/']),
    sdk('postgres', '^node_modules/(pg|drizzle-orm)/', ['^src/adapters/(postgres|bullmq)/', '^src/local/postgres/']),
    sdk('bullmq', '^node_modules/(bullmq|ioredis)/', ['^src/adapters/bullmq/']),
    sdk('aws', '^node_modules/@aws-sdk/', ['^src/adapters/(secrets-manager|cloudtrail|providers/aws-)']),
    sdk('ssh', '^node_modules/ssh2/', ['^src/adapters/providers/github-deploy-key\\.ts$']),
    sdk('webhooks', '^node_modules/standardwebhooks/', ['^src/adapters/webhooks/']),
    sdk('calendars', '^node_modules/ical-generator/', ['^src/calendar/calendar-document\\.ts$']),
    sdk('addresses', '^node_modules/ipaddr\\.js/', ['^src/adapters/webhooks/']),
    sdk('rates', '^node_modules/rate-limiter-flexible/', ['^src/adapters/http/']),
    sdk('sign-in', '^node_modules/(openid-client|oauth4webapi|jose)/', [
      '^src/adapters/sign-in\\.ts$',
      '^src/local/slack/',
    ]),
    sdk('metrics', '^node_modules/prom-client/', ['^src/adapters/http/']),
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    includeOnly: '^(src|node_modules)',
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
};
