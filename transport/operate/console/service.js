// The way to the service: its addresses, who we are, streams that come back.

import { shellQuote } from "./text.js";

let token = "";
let publicBase = location.origin;

export const signIn = t => { token = t; };
export const base = () => publicBase;

// The console may be on the operators' address while players and consumers use another.
export const learnBase = ports => {
  if (ports && ports.length && !ports.includes(location.port || (location.protocol === "https:" ? "443" : "80")))
    publicBase = `${location.protocol}//${location.hostname}:${ports[0]}`;
};

const headers = () => token ? { Authorization: "Bearer " + token } : {};

// get answers JSON; its errors carry the status.
export const get = async path => {
  const resp = await fetch(path, { headers: headers(), cache: "no-store" });
  if (!resp.ok) throw Object.assign(new Error((await resp.text()).trim() || resp.statusText), { status: resp.status });
  return resp.json();
};

export const post = (path, body) => fetch(base() + path, { method: "POST", body, headers: { "Content-Type": "application/json", ...headers() } });

// ticket is what an EventSource, which has no headers, shows in place of a token.
const ticket = async () => {
  if (!token) return "";
  const resp = await fetch(base() + "/tickets", { method: "POST", headers: headers() });
  if (!resp.ok) throw new Error("no ticket: " + resp.status);
  return (await resp.json()).ticket;
};

// check tells whether the service understands a view, and why not.
export const check = async query => {
  const resp = await fetch(`${base()}/events/view?${query}`, { headers: headers(), cache: "no-store" });
  return resp.ok ? "" : (await resp.text()).trim() || resp.statusText;
};

// A Stream is an EventSource that is opened again, with a new ticket, whatever ended it.
export class Stream {
  constructor(query, on) {
    this.query = query;
    this.on = on;
    this.wait = 500;
    this.open();
  }
  async open() {
    const query = new URLSearchParams(this.query);
    query.set("notices", "event");
    query.set("name", "console");
    try {
      const t = await ticket();
      if (t) query.set("token", t);
    } catch { return this.again(); }
    if (this.closed) return;
    const source = this.source = new EventSource(`${base()}/events?${query}`);
    source.onopen = () => { this.wait = 500; this.on.state("open"); };
    source.onmessage = e => this.on.event(e.data);
    source.addEventListener("skipped", e => this.on.skipped(Number(e.data) || 0));
    source.onerror = () => { source.close(); this.again(); };
  }
  again() {
    if (this.closed) return;
    this.on.state("reconnecting");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, 10000);
  }
  close() {
    this.closed = true;
    clearTimeout(this.timer);
    if (this.source) this.source.close();
  }
}

// conditions are the filter's words, each a where parameter.
export const conditions = text => text.trim().split(/\s+/).filter(Boolean);

// curl is the command that prints a stream. A query may have been an event's, so it is
// percent-encoded, but for what views are full of.
export const curl = query => {
  const encoded = String(new URLSearchParams(query)).replace(/%3D|%2C/g, decodeURIComponent);
  return "curl -N " + shellQuote(`${base()}/events${encoded && "?" + encoded}`);
};
