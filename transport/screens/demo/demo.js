import { board, cards } from "./board.js";
import { Screen } from "./screen.js";

const query = new URLSearchParams(location.search);
const practice = query.get("practice") || "demo";
const users = [...new Set((query.get("users") || "alice,bob").split(",").filter(Boolean))].slice(0, 4);

document.getElementById("again").href = `demo?${new URLSearchParams({ practice, users: "carol" })}`;

for (const user of users) {
  const screen = new Screen(practice, user, Object.keys(cards)[0]);
  document.getElementById("screens").append(board(screen));
  screen.open();
}
