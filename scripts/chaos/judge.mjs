import { conditionInWords, steps } from '../../dist/rotation/model.js';

const words = {
  done: 'Rotated: ',
  failed: 'Rotation failed: ',
  'rolled-back': 'Rolled back: ',
  superseded: 'Taken over: ',
};
const short = (version) => version?.slice(0, 8) ?? 'none';

/** What is lost, doubled or untrue, each in a sentence. Pure, so that a test can show that it notices. */
export function complaintsAbout(facts) {
  const found = [];
  for (const key of facts.keys) {
    const say = (sentence) => found.push(`key ${key.number} (${key.provider}): ${sentence}`);
    storeIsTrue(key, say);
    for (const rotation of key.rotations) {
      const sayOf = (sentence) => say(`${rotation.id} (${rotation.status}): ${sentence}`);
      recordIsWhole(rotation, sayOf);
      logIsWhole(rotation, facts.events, sayOf);
      cardsAreTrue(rotation, key, facts, sayOf);
    }
    const starts = facts.events.filter((each) => each.action === 'rotation.start' && each.outcome === 'done');
    const mine = starts.filter((each) => each.subject === key.inventory.id);
    if (mine.length !== key.rotations.length)
      say(`${key.rotations.length} rotations, and ${mine.length} starts in the log`);
  }
  providersAreTrue(facts, found);
  for (const { name, status, last_error: error } of facts.work) found.push(`a job ${name} is ${status}: ${error}`);
  return [...found, ...facts.log.map((each) => `the audit log: ${each}`)];
}

/** The values of a key that have to work at its provider in the end, and those of which nobody can say. */
function valuesOf(key) {
  const last = key.rotations.at(-1);
  const { current, values } = key.secret;
  const heldBy = (version) => values[version] ?? (version === key.first.version ? key.first.value : null);
  if (!last || last.condition === 'new') return { live: [current.value], unknown: [] };
  if (last.condition === 'old') return { live: [current.value], unknown: tookOver(key) ? Object.values(values) : [] };
  const old = heldBy(last.oldVersion);
  // From the moment at which the old one is being retired it may be alive or dead.
  const dying = last.record.some((each) => each.step === 'retire');
  return dying ? { live: [current.value], unknown: [old] } : { live: [current.value, old], unknown: [] };
}

/** The rotation that failed had taken over another, which may have switched over already: either value may be current. */
const tookOver = ({ rotations }) => rotations.at(-1).status === 'failed' && rotations.at(-2)?.status === 'superseded';

function storeIsTrue(key, say) {
  const { stages, current, values } = key.secret;
  const last = key.rotations.at(-1);
  if (!last) return say('was never rotated');
  if (last.status === 'running') return say(`still runs, at ${last.step}`);
  const holders = Object.entries(stages).filter(([, labels]) => labels.includes('AWSCURRENT'));
  if (holders.length !== 1) say(`${holders.length} versions are AWSCURRENT`);
  if (key.inventory.currentVersion !== current.version)
    say(`the inventory says ${short(key.inventory.currentVersion)} is current, and ${short(current.version)} is`);
  const stray = Object.entries(stages).find(([id, labels]) => labels.includes('AWSPENDING') && id !== current.version);
  if (stray) say(`AWSPENDING is left on ${short(stray[0])}`);
  const before = key.rotations.filter((each) => each.status === 'done' && each !== last);
  const old = before.at(-1)?.newVersion ?? key.first.version;
  if (last.status === 'superseded') say('was taken over by nobody');
  if (last.condition === 'none') say('says that nothing works');
  if (last.status === 'done') {
    const labelled = Object.entries(stages).filter(([, labels]) => labels.length > 0);
    if (labelled.length !== 1 || labelled[0][0] !== last.newVersion || labelled[0][1].join() !== 'AWSCURRENT')
      say(`labels are left: ${labelled.map(([id, labels]) => `${short(id)} ${labels.join('+')}`).join(', ')}`);
    if (last.condition !== 'new') say(`is done, and says "${last.condition}"`);
    if (current.value === key.first.value) say('is done, and the value is the first one');
    if (new Set(Object.values(values)).size !== Object.values(values).length) say('two versions hold one value');
  } else {
    const expected = last.condition === 'old' ? old : last.newVersion;
    if (tookOver(key) && current.version === key.rotations.at(-2).newVersion) return;
    if (current.version !== expected)
      say(`says "${last.condition}", and ${short(current.version)} is current, not ${short(expected)}`);
  }
}

/** Every step was done or left out on purpose, in this order. */
function recordIsWhole(rotation, say) {
  if (rotation.status !== 'done') return;
  const done = rotation.record.filter((each) => each.attempt === rotation.attempt);
  const open = done.filter((each) => each.endedAt === null);
  if (open.length > 0) say(`the record leaves open ${open.map((each) => each.step).join(', ')}`);
  const places = steps.map((step) =>
    done.findLastIndex((each) => each.step === step && ['done', 'skipped'].includes(each.verdict)),
  );
  steps.forEach((step, i) => {
    if (places[i] < 0) say(`the record has lost the step "${step}"`);
    else if (i > 0 && places[i] < places[i - 1]) say(`the record has "${step}" before "${steps[i - 1]}"`);
  });
}

/** Each outcome of the record is in the log once, and the log knows of no other. */
function logIsWhole(rotation, events, say) {
  const mine = events.filter((each) => each.subject === rotation.id && each.outcome === 'done');
  const name = ({ step, attempt, verdict, evidence }) => `${step} ${attempt} ${verdict} ${evidence}`;
  const count = (list) => {
    const counts = new Map();
    for (const each of list) counts.set(name(each), (counts.get(name(each)) ?? 0) + 1);
    return counts;
  };
  // What was left out on purpose stands in the event of the step before it.
  const inRecord = count(rotation.record.filter((each) => each.endedAt !== null && each.verdict !== 'skipped'));
  const inLog = count(mine.map((each) => each.facts).filter((facts) => facts.verdict));
  for (const [each, times] of inRecord) if ((inLog.get(each) ?? 0) < times) say(`the log lacks "${each}"`);
  if (rotation.status === 'done')
    for (const [each, times] of inLog)
      if ((inRecord.get(each) ?? 0) < times) say(`the log has "${each}" ${times} times, and the record does not`);
}

function cardsAreTrue(rotation, key, { cards, messages }, say) {
  const mine = cards.filter((each) => each.subject === rotation.id);
  if (mine.length === 0) say('has no card');
  // Another rotation's card may name this one as what has taken over.
  const named = `Taken over by \`${rotation.id}\``;
  const shown = messages.filter(
    ({ blocks, text }) =>
      blocks.includes(rotation.id) && !blocks.includes(named) && !text.startsWith('The rotation of'),
  );
  for (const card of mine) {
    const message = shown.find((each) => each.channel === card.channel && each.ts === card.ts);
    if (!message) {
      say(`its card is nowhere in Slack (${card.channel} ${card.ts})`);
      continue;
    }
    const expected = `${words[rotation.status]}${key.inventory.name}`;
    if (message.text !== expected) say(`its card says "${message.text}", not "${expected}"`);
    const sentence = conditionInWords(rotation);
    if (!message.blocks.includes(sentence)) say(`its card does not say "${sentence}"`);
    const copies = shown.filter((each) => each.channel === card.channel && each.ts !== card.ts);
    if (copies.length > 0 && !message.blocks.includes('If you see this message twice'))
      say(`its card is there ${copies.length + 1} times and does not say so`);
  }
}

/** At each provider live exactly the values that have to: none is missing, none is left over. */
function providersAreTrue({ keys, providers }, found) {
  for (const [name, { keys: there }] of Object.entries(providers)) {
    const mine = keys.filter((each) => each.provider === name);
    const inSlots = there.some((each) => each.name.startsWith('Key'));
    const expected = new Map();
    const unknown = new Set();
    for (const key of mine) {
      const values = valuesOf(key);
      for (const value of values.live) expected.set(value, key.number);
      for (const value of values.unknown) unknown.add(value);
    }
    const live = there.filter((each) => !each.ended);
    for (const [value, number] of expected)
      if (!live.some((each) => each.value === value)) found.push(`key ${number} (${name}): its value is dead`);
    const known = new Map(mine.flatMap((key) => Object.values(key.secret.values).map((value) => [value, key.number])));
    for (const each of live) {
      if (expected.has(each.value) || unknown.has(each.value) || each.name.startsWith('other')) continue;
      if (known.has(each.value))
        found.push(`key ${known.get(each.value)} (${name}): an old value still works (${each.id})`);
      // A slot always holds something; what nobody has is no key to anything.
      else if (!inSlots) found.push(`${name}: an orphan is left (${each.id} ${each.name})`);
    }
    const others = there.filter((each) => each.name.startsWith('other') && each.ended);
    if (others.length > 0) found.push(`${name}: ${others.length} keys of others were ended`);
  }
}
