// Server-sent events over fetch: unlike EventSource it sees the status, survives a 502, and keeps its cursor.

const FIRST_WAIT = 500; // ms
const LONGEST_WAIT = 15_000;
const SILENCE = 40_000; // the server says something every 15 s
const TURN = 30; // ms of work before the browser may draw

/** The connection was refused for good; `status` is the answer's. */
export class Refused extends Error {
  constructor(status) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

/**
 * Events {name, data, id} of a text/event-stream, from chunks of bytes.
 *
 * A block ends at an empty line; one that was cut off by the end of the connection is dropped.
 */
export class EventParser {
  constructor(take) {
    this.take = take;
    this.decoder = new TextDecoder("utf-8");
    this.rest = "";
    this.begin();
  }

  begin() {
    this.name = "message";
    this.data = [];
  }

  feed(chunk) {
    const lines = (this.rest + this.decoder.decode(chunk, { stream: true })).split("\n");
    this.rest = lines.pop();
    for (const line of lines) this.line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  line(line) {
    if (line === "") {
      if (this.data.length || this.name !== "message") this.take({ name: this.name, data: this.data.join("\n"), id: this.id });
      this.begin();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.name = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
  }
}

/**
 * A stream that reconnects until it is closed. Calls, each optional:
 * event({name, data, id}), opened(), lost(), refused(status).
 */
export class Stream {
  constructor(url, after, calls) {
    Object.assign(this, { url, after, calls });
    this.closed = true;
    this.heard = performance.now();
  }

  open() {
    if (!this.closed) return;
    this.closed = false;
    this.run();
  }

  close() {
    this.closed = true;
    this.controller?.abort();
    this.wake?.();
  }

  async run() {
    let wait = FIRST_WAIT;
    while (!this.closed) {
      try {
        const spoke = await this.once();
        if (spoke) wait = FIRST_WAIT;
      } catch (error) {
        if (error instanceof Refused) {
          this.closed = true;
          this.calls.refused?.(error.status);
          return;
        }
      }
      if (this.closed) return;
      if (this.atOnce) { this.atOnce = false; continue; }
      this.calls.lost?.();
      await this.pause(wait * (0.7 + 0.6 * Math.random()));
      wait = Math.min(LONGEST_WAIT, wait * 2);
    }
  }

  pause(ms) {
    return new Promise((resume) => {
      this.wake = resume;
      setTimeout(resume, ms);
      addEventListener("online", resume, { once: true });
    });
  }

  /** One connection, to its end. Returns whether anything was heard. */
  async once() {
    this.controller = new AbortController();
    const url = new URL(this.url, location.href);
    if (this.after) url.searchParams.set("after", this.after);
    const headers = { Accept: "text/event-stream" };
    if (this.after) headers["Last-Event-ID"] = this.after;
    const asked = performance.now();
    const watch = setInterval(() => {
      if (performance.now() - Math.max(this.heard, asked) > SILENCE) this.controller.abort();
    }, 5000);
    try {
      const response = await fetch(url, { headers, cache: "no-store", signal: this.controller.signal });
      this.check(response);
      this.heard = performance.now();
      this.calls.opened?.();
      return await this.read(response.body.getReader());
    } finally {
      clearInterval(watch);
    }
  }

  check(response) {
    const type = response.headers.get("Content-Type") ?? "";
    // A sign-in page in place of the stream means that the session is gone.
    if (response.ok && !type.startsWith("text/event-stream") && response.redirected) throw new Refused(401);
    if ([204, 401, 403, 404, 410].includes(response.status)) throw new Refused(response.status);
    if (!response.ok || !type.startsWith("text/event-stream")) throw new Error(`answered ${response.status} ${type}`);
  }

  async read(reader) {
    let spoke = false;
    const parser = new EventParser((event) => {
      if (event.id) this.after = event.id;
      if (event.name === "bye") this.atOnce = true;
      if (event.name === "done") this.closed = true;
      this.calls.event?.(event);
    });
    let began = performance.now();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return spoke;
      // Chunks that are already here would follow each other in one long task.
      if (performance.now() - began > TURN) {
        await new Promise((resume) => setTimeout(resume));
        began = performance.now();
      }
      spoke = true;
      this.heard = performance.now();
      parser.feed(value);
      if (this.closed) { this.controller.abort(); return spoke; }
    }
  }
}
