/** The small language that Slack's limits are written in: a rule looks at one value and says what is wrong with it. */
export interface At {
  say(problem: string): void;
  in(name: string): At;
}
export type Rule = (value: unknown, at: At) => void;
export type Shape = { required?: Record<string, Rule>; optional?: Record<string, Rule>; also?: Rule };

/** A string of at least `min` and at most `max` characters. */
export const words =
  (max: number, min = 0): Rule =>
  (value, at) => {
    if (typeof value !== 'string') return at.say('must be a string');
    if (value.length > max) at.say(`must be less than ${max + 1} characters`);
    if (value.length < min) at.say(`must be more than ${min - 1} characters`);
  };

export const flag: Rule = (value, at) => {
  if (typeof value !== 'boolean') at.say('must be a boolean');
};
export const anything: Rule = () => {};

export const whole =
  (min: number, max: number): Rule =>
  (value, at) => {
    if (!Number.isInteger(value)) at.say('must be an integer');
    else if ((value as number) < min) at.say(`must be at least ${min}`);
    else if ((value as number) > max) at.say(`must be at most ${max}`);
  };

export const oneOf =
  (...values: string[]): Rule =>
  (value, at) => {
    if (!values.includes(value as string)) at.say(`must be one of: ${values.join(', ')}`);
  };

export const like =
  (pattern: RegExp, what: string): Rule =>
  (value, at) => {
    if (typeof value !== 'string' || !pattern.test(value)) at.say(`must be ${what}`);
  };

export const each =
  (rule: Rule, min: number, max: number): Rule =>
  (value, at) => {
    if (!Array.isArray(value)) return at.say('must be an array');
    if (value.length < min) at.say(`no fewer than ${min} items allowed`);
    if (value.length > max) at.say(`no more than ${max} items allowed`);
    for (const [i, item] of value.entries()) rule(item, at.in(String(i)));
  };

/** An object with these fields and no others. `also` looks at the whole afterwards. */
export const shaped =
  ({ required = {}, optional = {}, also }: Shape): Rule =>
  (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return at.say('must be an object');
    const thing = value as Record<string, unknown>;
    for (const [name, rule] of Object.entries(required)) {
      if (thing[name] === undefined || thing[name] === null) at.say(`missing required field: ${name}`);
      else rule(thing[name], at.in(name));
    }
    for (const [name, field] of Object.entries(thing)) {
      if (name in required || field === undefined || field === null) continue;
      if (Object.hasOwn(optional, name)) optional[name]!(field, at.in(name));
      else if (name !== 'type') at.say(`invalid additional property: ${name}`);
    }
    also?.(value, at);
  };

/** A text object. */
export const text = (max: number, ...types: ('plain_text' | 'mrkdwn')[]): Rule =>
  shaped({
    required: { type: oneOf(...(types.length > 0 ? types : ['plain_text', 'mrkdwn'])), text: words(max, 1) },
    optional: { emoji: flag, verbatim: flag },
    also: (whole, here) => {
      const { type, emoji, verbatim } = whole as Record<string, unknown>;
      if (type === 'mrkdwn' && emoji !== undefined) here.say('invalid additional property: emoji');
      if (type === 'plain_text' && verbatim !== undefined) here.say('invalid additional property: verbatim');
    },
  });
