// What events hold is shown as text, never as markup, and what could hide or
// reorder it (control and bidirectional characters) is spelled out. That goes for
// commands, too: a control key that is pasted into a shell is pressed.

const hidden = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
const spell = c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");

export const visible = (s, most) => {
  const cut = s.length > most ? s.slice(0, most) + "…" : s;
  return cut.replace(hidden, spell);
};

// pretty is an event over several lines, at most so many characters of it.
export const pretty = (raw, most) => {
  let s = raw;
  if (raw.length <= 4 * most) {
    try { s = JSON.stringify(JSON.parse(raw), null, 2); } catch { /* show it as it came */ }
  }
  const more = s.length - most;
  return s.slice(0, most).split("\n").map(line => visible(line, most)).join("\n")
    + (more > 0 ? `\n… and ${count(more)} characters more` : "");
};

// member is the value of the first string member of a name near the start of an event, also a
// nested one; a person's list need not parse 250 KB to label a row.
export const member = (raw, name) => {
  const m = new RegExp(`"${name}"\\s*:\\s*"((?:[^"\\\\]|\\\\.){0,80})"`).exec(raw.slice(0, 4096));
  if (!m) return "";
  try { return JSON.parse(`"${m[1]}"`); } catch { return ""; }
};

// sessionOf is the session of an event that a person has opened, "" if it has none; nobody types an
// id of more than 80 characters.
export const sessionOf = raw => {
  try {
    const id = JSON.parse(raw).session_id;
    return typeof id === "string" && id.length <= 80 ? id : "";
  } catch { return ""; }
};

const hues = new Map([["START", "1"], ["HEARTBEAT", "2"], ["STOP", "3"], ["ERROR", "4"]]);
export const hue = name => hues.get(name) || "0";

export const count = n => Math.round(n).toLocaleString("en-US");
export const short = n => n >= 1e9 ? (n / 1e9).toFixed(2) + " G" : n >= 1e6 ? (n / 1e6).toFixed(2) + " M" : n >= 1e4 ? (n / 1e3).toFixed(1) + " k"
  : n >= 100 || n === Math.round(n) ? count(n) : n.toFixed(1);
export const bytes = n => n >= 1 << 30 ? (n / (1 << 30)).toFixed(1) + " GiB" : n >= 1 << 20 ? (n / (1 << 20)).toFixed(1) + " MiB"
  : n >= 1024 ? (n / 1024).toFixed(1) + " KiB" : count(n) + " B";
export const span = s => s >= 5400 ? (s / 3600).toFixed(1) + " h" : s >= 90 ? (s / 60).toFixed(1) + " min" : s >= 10 ? Math.round(s) + " s" : s.toFixed(1) + " s";
export const seconds = s => s >= 1 ? s.toFixed(2) + " s" : s >= 0.01 ? (s * 1e3).toFixed(0) + " ms" : (s * 1e3).toFixed(2) + " ms";
export const clock = t => new Date(t).toLocaleTimeString("en-GB") + "." + String(t % 1000).padStart(3, "0");

// shellQuote makes one word of a command that is copied.
export const shellQuote = s => "'" + visible(s).replaceAll("'", "'\\''") + "'";
