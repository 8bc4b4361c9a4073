// Who looks at what, in the page's address and in the browser's memory.
import { world } from './world.js';

/** What the address asks for: `as`, `at`, and of a permalink `message` and `thread`. */
export const asked = (name) => new URLSearchParams(location.search).get(name);

export function keepAddress(at) {
  const wanted = new URLSearchParams({ as: world.as, ...(at ? { at } : {}) });
  history.replaceState(null, '', `/?${wanted}`);
  try {
    localStorage.setItem('local-slack-as', world.as);
    // Where one signs in with the local Slack, the server has to know.
    // biome-ignore lint/suspicious/noDocumentCookie: a name, for this machine alone
    document.cookie = `local-slack-as=${world.as}; path=/openid; samesite=lax`;
    localStorage.setItem(`local-slack-at ${world.as}`, at ?? '');
  } catch {
    // The address alone remembers.
  }
}

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
export const lastPerson = () => remembered('local-slack-as');
export const lastPlaceOf = (userId) => remembered(`local-slack-at ${userId}`);
