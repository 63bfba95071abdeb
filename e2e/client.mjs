// A WebSocket client that writes a line of JSON for everything that happens.
import WebSocket from "ws";

const say = (line) => console.log(JSON.stringify(line));
const socket = new WebSocket(process.argv[2]);
socket.on("open", () => say({ kind: "open" }));
socket.on("message", (data, binary) => say({ kind: binary ? "binary" : "text", data: data.toString() }));
socket.on("ping", (data) => say({ kind: "ping", data: data.toString() }));
socket.on("close", (code) => say({ kind: "close", data: String(code) }));
socket.on("error", (err) => say({ kind: "error", data: err.message }));
