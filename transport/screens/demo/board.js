// Draws a Screen. Whatever users typed is set as text, never as HTML.

export const cards = { id_123: "Opening", id_124: "Interview", id_125: "Weather" };
const states = { closed: "left", connecting: "connecting", open: "connected", lost: "connection lost, trying again" };
const typing = 150; // ms between two submissions of one input
const kept = 100; // lines of the log

export function board(screen) {
  const root = document.getElementById("screen").content.cloneNode(true).firstElementChild;
  const find = (selector) => root.querySelector(selector);
  root.setAttribute("aria-label", `Screen of ${screen.user}`);
  find("h2").textContent = screen.user;

  find(".door").onclick = () => (screen.state === "closed" ? screen.open() : screen.close());
  find(".notify").onclick = () => screen.notify(`${screen.user} says hello`);
  const drawn = Object.entries(cards).map(([id, title]) => card(screen, id, title));
  find(".cards").append(...drawn.map((c) => c.root));

  screen.addEventListener("event", ({ detail: event }) => {
    drawn.find((c) => c.id === event.targetId && event.eventAction === "UPDATING_CARD")?.flash();
    const line = document.createElement("li");
    const notice = event.type === "DATA_NOTIFICATION_EVENT";
    line.dataset.kind = notice ? "notice" : event.eventAction;
    line.textContent = notice ? `notice: ${event.data}` : `${event.sourceId} ${event.eventAction} ${event.targetId} ${event.data ?? ""}`;
    const log = find(".log");
    log.prepend(line);
    while (log.children.length > kept) log.lastChild.remove();
  });

  const draw = () => {
    const open = screen.state === "open";
    find(".state").dataset.state = screen.state;
    say(find(".state"), states[screen.state]);
    say(find(".door"), screen.state === "closed" ? "Come back" : "Leave");
    say(find(".problem"), screen.problem);
    find(".notify").disabled = !open;
    names(find(".people"), open ? [...screen.people.keys()].sort() : []);
    for (const c of drawn) c.draw(open);
  };
  screen.addEventListener("change", draw);
  draw();
  return root;
}

function card(screen, id, title) {
  const root = document.getElementById("card").content.cloneNode(true).firstElementChild;
  const input = root.querySelector("input");
  root.querySelector("h3").textContent = title;
  root.dataset.card = id;
  input.onfocus = () => screen.view(id);

  // One submission at a time, the latest text last.
  let wanted = null;
  let busy = false;
  const submit = async () => {
    if (busy) return;
    busy = true;
    while (wanted !== null) {
      const text = wanted;
      wanted = null;
      await screen.update(id, text);
      await new Promise((done) => setTimeout(done, typing));
    }
    busy = false;
  };
  input.oninput = () => {
    wanted = input.value;
    submit();
  };

  let fading = 0;
  return {
    id,
    root,
    flash() {
      root.dataset.fresh = "";
      clearTimeout(fading);
      fading = setTimeout(() => delete root.dataset.fresh, 600);
    },
    draw(open) {
      const is = screen.cards.get(id);
      input.disabled = !open;
      // Do not take the text from under the fingers of the one who types.
      if (is && (document.activeElement !== input || (is.by !== screen.user && wanted === null && !busy))) input.value = is.data;
      say(root.querySelector(".by"), is ? `changed by ${is.by}` : "not changed yet");
      const viewers = [...screen.people].filter(([, at]) => at === id).map(([user]) => user);
      names(root.querySelector(".viewers"), viewers);
      root.toggleAttribute("data-own", viewers.includes(screen.user));
    },
  };
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function names(element, users) {
  const text = users.join("\n");
  if (element.dataset.users === text) return;
  element.dataset.users = text;
  element.replaceChildren(
    ...users.map((user) => {
      const name = document.createElement("span");
      name.textContent = user;
      return name;
    }),
  );
}
