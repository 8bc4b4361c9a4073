// Hearing of changes as they happen, through server-sent events, for as long as somebody looks at the page.

/** How often a page asks that nobody looks at: its title says how much there is to read. */
const unseenMs = 15_000;

/**
 * `heard(event)` for every event; `back()` whenever the line comes up, since events before that are lost. A page that nobody
 * looks at holds no line: a browser has six to one place, for all its tabs, and the seventh tab would stand still.
 */
export function listen(as, { heard, back, down }) {
  let source;
  let stopped = false;
  let waitMs = 500;
  let timer;
  let downTimer;
  let unseen;
  function open() {
    source = new EventSource(`/page-api/stream?as=${encodeURIComponent(as)}`);
    source.onopen = () => {
      waitMs = 500;
      clearTimeout(downTimer);
      downTimer = undefined;
      back();
    };
    source.onmessage = ({ data }) => {
      try {
        heard(JSON.parse(data));
      } catch {
        // A comment or a heartbeat in a form that this page does not know.
      }
    };
    source.onerror = () => {
      downTimer ??= setTimeout(() => down(), 1_500);
      // A browser gives up for good after some kinds of error; this page does not.
      source.close();
      if (stopped) return;
      clearTimeout(timer);
      timer = setTimeout(open, waitMs);
      waitMs = Math.min(waitMs * 2, 5_000);
    };
  }
  function shut() {
    clearTimeout(timer);
    clearTimeout(downTimer);
    downTimer = undefined;
    source?.close();
  }
  function seenOrNot() {
    shut();
    clearInterval(unseen);
    if (document.hidden) unseen = setInterval(() => back(), unseenMs);
    else open();
  }
  seenOrNot();
  document.addEventListener('visibilitychange', seenOrNot);
  return () => {
    stopped = true;
    document.removeEventListener('visibilitychange', seenOrNot);
    clearInterval(unseen);
    shut();
  };
}
