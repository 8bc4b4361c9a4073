// The places that blocks stand in: what a click there sends, and what it waits for.
import { act } from './world.js';

/** `from` as in the contract; `blocks()` are those shown now; `holder()` is where trouble is shown when a block is gone. */
export function surfaceOf({ from, values, blocks, holder, submit, redraw, headingTag = 'h3' }) {
  return {
    values,
    holder,
    submit,
    redraw,
    headingTag,
    act: (action) => act({ kind: 'action', from, action, state: values.collect(blocks()) }),
    suggest: (element, blockId, value) => {
      const { channel, ts, view } = from;
      return act({
        kind: 'suggest',
        from: view ? { view } : { channel, ts },
        actionId: element.action_id,
        blockId,
        value,
      });
    },
  };
}
