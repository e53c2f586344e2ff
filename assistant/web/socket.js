// The chat socket: connects, reconnects, and delivers each question exactly once as far as the page can see.
// A question stays in `pending` until the server ended it with `done` or `error`; after a reconnect it is sent again
// under the same id, so the server can recognise it, and what had arrived of its answer is dropped first.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const BUSY_MS = 700; // after which a question is sent again that met the end of the one before
const POLICY_CLOSE = 1008;
const TOO_LARGE_CLOSE = 1009;

/** How long to wait before try `n` (0, 1, …): doubles, at most 30 s, less up to a fifth so that clients spread out. */
export function backoff(n, random = Math.random()) {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** n) * (1 - 0.2 * random);
}

/** Events: `frame` (detail: the frame), `state` (detail: {state, wait_ms}), `again` and `rejected` (detail: a question's id). */
export class Connection extends EventTarget {
  #address;
  #hello;
  #socket = null;
  #ready = false;
  #tries = 0;
  #timer = 0;
  #pending = new Map(); // question id -> its frame
  #sent = new Set(); // ids sent over the present socket
  #interrupted = new Set(); // ids that were sent over a socket that is gone
  #later = []; // feedback that waits for a connection
  #lastSent = null;

  /** `hello` returns the first frame of each connection. */
  constructor(address, hello) {
    super();
    this.#address = address;
    this.#hello = hello;
  }

  get ready() {
    return this.#ready;
  }

  open() {
    addEventListener("online", this.#retry);
    addEventListener("offline", this.#lost);
    this.#connect();
  }

  close() {
    removeEventListener("online", this.#retry);
    removeEventListener("offline", this.#lost);
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** Says hello again over the open socket: for another language, or without a session that the server lost. */
  greet() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#write(this.#hello());
  }

  /** Sends a `message` or `reply` now or as soon as there is a connection. */
  ask(frame) {
    this.#pending.set(frame.id, frame);
    this.#flush();
  }

  /** Sends feedback now or as soon as there is a connection. */
  tell(frame) {
    this.#later.push(frame);
    this.#flush();
  }

  /** Gives a question up. The server is told only when it may have seen it. */
  stop(id) {
    if (this.#sent.has(id) && this.#ready) this.#write({ type: "stop", id });
    this.#pending.delete(id);
  }

  /** Tries to connect now instead of after the wait. */
  retryNow() {
    this.#tries = 0;
    this.#retry();
  }

  #retry = () => {
    clearTimeout(this.#timer);
    this.#drop();
    this.#connect();
  };

  #lost = () => {
    this.#drop();
    this.#wait();
  };

  #connect() {
    this.#announce("connecting");
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#write(this.#hello()));
    socket.addEventListener("message", (event) => this.#receive(event.data));
    socket.addEventListener("close", (event) => this.#closed(socket, event.code));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null; // the close event of a socket that was let go is ignored
    this.#ready = false;
    for (const id of this.#sent) this.#interrupted.add(id);
    this.#sent.clear();
    socket?.close();
  }

  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#drop();
    // A message that the server hangs up on would be hung up on again: it is given back, not repeated for ever.
    if (code === TOO_LARGE_CLOSE || code === POLICY_CLOSE) this.#reject();
    if (code === POLICY_CLOSE) this.#announce("refused");
    else this.#wait();
  }

  #reject() {
    const id = this.#lastSent;
    if (!this.#pending.delete(id)) return;
    this.dispatchEvent(new CustomEvent("rejected", { detail: id }));
  }

  #wait() {
    clearTimeout(this.#timer);
    if (!navigator.onLine) return this.#announce("offline");
    const wait = backoff(this.#tries++);
    this.#announce("waiting", wait);
    this.#timer = setTimeout(this.#retry, wait);
  }

  #announce(state, wait_ms = 0) {
    this.dispatchEvent(new CustomEvent("state", { detail: { state, wait_ms } }));
  }

  #write(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #receive(data) {
    const frame = readFrame(data);
    if (!frame) return;
    if (frame.type === "error" && frame.code === "busy" && this.#pending.has(frame.id)) return this.#sendLater(frame.id);
    if (frame.type === "done" || frame.type === "error") this.#pending.delete(frame.id);
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    if (frame.type === "ready" && !this.#ready) {
      this.#ready = true;
      this.#tries = 0;
      this.#announce("ready");
      this.#flush();
    }
  }

  #sendLater(id) {
    setTimeout(() => {
      this.#sent.delete(id);
      this.#flush();
    }, BUSY_MS);
  }

  #flush() {
    if (!this.#ready) return;
    for (const [id, frame] of this.#pending) {
      if (this.#sent.has(id)) continue;
      if (this.#interrupted.delete(id)) this.dispatchEvent(new CustomEvent("again", { detail: id }));
      this.#sent.add(id);
      this.#lastSent = id;
      this.#write(frame);
    }
    for (const frame of this.#later.splice(0)) this.#write(frame);
  }
}

function readFrame(data) {
  try {
    const frame = JSON.parse(data);
    return typeof frame?.type === "string" ? frame : null;
  } catch {
    return null;
  }
}
