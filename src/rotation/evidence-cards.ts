import type { View as SlackView } from '@slack/types';
import { block, join, literal, type Mrkdwn, md, page, typed } from '../blocks.ts';
import type { ApiKey } from '../inventory/model.ts';
import type { Instant } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { causeWords, statusWords, stepWords } from './cards.ts';
import { conditionInWords, isReal, type Rotation, type StepRecord } from './model.ts';

const utc = (at: Instant | string) => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
const words: Record<NonNullable<StepRecord['verdict']>, string> = {
  done: 'done',
  skipped: 'skipped',
  refused: 'did not pass',
};

/** The checklist of a rotation (SOP 5.3) as a text for an auditor: what was done when, with what proves it; never a value. */
export function evidenceLines(rotation: Rotation, key: ApiKey, asker: Pick<Person, 'id' | 'name'> | null): string[] {
  const { oldLastFour, newLastFour, oldVersion, newVersion } = rotation;
  const value = (lastFour: string | null, version: string | null) =>
    `${lastFour ? `…${lastFour}` : 'not known'}${version ? ` (version ${version})` : ''}`;
  return [
    `Rotation of ${key.name}`,
    `Rotation ${rotation.id}, key ${key.id}${key.secretId ? `, secret ${key.secretId}` : ''}`,
    `Why: ${causeWords[rotation.cause]}${rotation.causeId ? ` (${rotation.causeId})` : ''}${isReal(rotation) ? ', as an emergency' : ''}`,
    `Asked for by: ${asker ? `${asker.name} (${asker.id})` : 'nobody; started by Keysteward'}`,
    ...(rotation.reason ? [`Reason given: ${rotation.reason}`] : []),
    `Started: ${utc(rotation.startedAt)}`,
    `Ended: ${rotation.endedAt ? utc(rotation.endedAt) : 'still running'}`,
    `Old value: ${value(oldLastFour, oldVersion)}`,
    `New value: ${value(newLastFour, newVersion)}`,
    `Outcome: ${statusWords[rotation.status][1]}. ${conditionInWords(rotation)}`,
    ...(rotation.failure
      ? [`${rotation.status === 'rolled-back' ? 'Why it was rolled back' : 'What went wrong'}: ${rotation.failure}`]
      : []),
    '',
    'Checklist:',
    ...rotation.record.map((each, i) => stepLine(each, i + 1)),
    '',
    `Each line is an event of the audit log too: /keys audit ${key.id}`,
  ];
}

function stepLine({ step, attempt, startedAt, endedAt, verdict, evidence }: StepRecord, number: number): string {
  const head = `${number}. ${stepWords[step]}${attempt > 1 ? ` (attempt ${attempt})` : ''}`;
  const state = endedAt && verdict ? `${words[verdict]} ${utc(endedAt)}` : `begun ${utc(startedAt)}, not ended`;
  return `${head}: ${state}${evidence ? `; ${evidence}` : ''}`;
}

/** In pieces that Slack takes, each to be copied as it is. */
export function evidenceView(lines: string[]): SlackView {
  const pieces: Mrkdwn[][] = [[]];
  let length = 0;
  for (const line of lines.map((each) => literal(each, 1000))) {
    if (length + line.length > 2500) {
      pieces.push([]);
      length = 0;
    }
    pieces.at(-1)!.push(line);
    length += line.length + 1;
  }
  return page('Evidence', [
    block.text(md`*${typed('The checklist of this rotation, to copy for an auditor')}*`),
    ...pieces.map((piece) => block.text(md`\`\`\`${join(piece, '\n')}\`\`\``)),
    block.small(md`Times are in UTC. It holds ids and the last four characters, never a value.`),
  ]);
}
