// Hearing of changes as they happen, through server-sent events, for as long as the page is open.

/** `heard(event)` for every event; `back()` whenever the line comes up, since events before that are lost. */
export function listen(as, { heard, back, down }) {
  let source;
  let stopped = false;
  let waitMs = 500;
  let timer;
  let downTimer;
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
  open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    clearTimeout(downTimer);
    source.close();
  };
}
