// A consumer by a library of npm, which writes the data of each event as a line of JSON:
// consume.mjs LIBRARY URL.
import WebSocket from "ws";
import { EventSource } from "eventsource";
import * as undici from "undici";

const [library, url] = process.argv.slice(2);
const say = (data) => console.log(JSON.stringify(data));
const source = {
	eventsource: () => new EventSource(url),
	undici: () => new undici.EventSource(url),
	ws: () => new WebSocket(url),
}[library]();
setInterval(() => {}, 60_000); // undici waits for its next attempt without keeping the process
source.onmessage = (e) => say(e.data);
