// The app's own page for the viewer.
import { showBlocks } from './blocks.js';
import { el } from './dom.js';
import { surfaceOf } from './surfaces.js';
import { Values } from './values.js';
import { world } from './world.js';

export function homePage() {
  const node = el('div', {
    class: 'home',
    'data-testid': 'app-home',
    role: 'tabpanel',
    'aria-label': `${world.workspace.app.name} Home`,
    tabindex: '-1',
  });
  let surface = null;
  const page = {
    node,
    /** Said while there is nothing to show. */
    note: 'One moment…',
    /** Shows the Home that is published now. */
    show() {
      const { home } = world.state;
      node.setAttribute('aria-busy', home ? 'false' : 'true');
      if (!home) {
        node.replaceChildren(el('p', { class: 'note' }, page.note));
        return;
      }
      if (surface?.id !== home.id) {
        node.replaceChildren();
        surface = {
          id: home.id,
          ...surfaceOf({
            from: { view: home.id },
            values: new Values(),
            blocks: () => world.state.home?.view.blocks ?? [],
            holder: () => node,
            headingTag: 'h2',
            redraw: () => {
              node.replaceChildren();
              page.show();
            },
          }),
        };
      }
      showBlocks(node, home.view.blocks, surface);
    },
  };
  return page;
}
