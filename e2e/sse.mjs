// A consumer of Server-Sent Events that writes a line of JSON for everything that happens.
const say = (line) => console.log(JSON.stringify(line));
try {
  const response = await fetch(process.argv[2]);
  if (!response.ok) throw new Error(`status ${response.status}`);
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === ": connected") say({ kind: "open" });
      if (line.startsWith("data: ")) say({ kind: "text", data: line.slice(6) });
    }
  }
  say({ kind: "close" });
} catch (err) {
  say({ kind: "error", data: `${err.message} ${err.cause ?? ""}` });
}
