import type pg from 'pg';
import type { Session } from '../../src/adapters/postgres/rows.ts';
import type { KeyReads, RotationReads } from '../../src/ports.ts';

export interface Asked {
  sql: string;
  params: unknown[];
}
type Questions = Record<string, () => Promise<unknown>>;

export function makeKeys(client: pg.Client, count: number): Promise<void>;
export function questions(reads: { keys: KeyReads; rotations: RotationReads }): Questions;
export function searches(reads: { keys: KeyReads }): Questions;
export function listeningSession(client: pg.Client): { asked: Asked[]; session: Session };
export function waysInto(client: pg.Client, table: string, asked: Asked): Promise<string[]>;
