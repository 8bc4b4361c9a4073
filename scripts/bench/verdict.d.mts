export interface Line {
  name: string;
  measured?: number;
  control?: number;
  /** Measured ÷ control; what the target is about, where there is a control. */
  ratio?: number;
  unit?: string;
  target?: { atMost: number } | { atLeast: number };
}
export function verdictOf(line: Line): 'kept' | 'missed' | 'info';
export function tableOf(lines: Line[]): string;
export function exitCodeOf(lines: Line[]): 0 | 1;
export function median(values: number[]): number;
export function percentile(values: number[], share: number): number;
