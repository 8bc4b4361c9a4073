import { parseArgs } from 'node:util';

/** The options of a script as it was called; called wrongly it says how, and ends with 2. */
export function optionsOf(options, usage) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${error.message}\n${usage}`);
    process.exit(2);
  }
}
