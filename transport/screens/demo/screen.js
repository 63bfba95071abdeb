// A Screen is one user's connection to a practice. It keeps what the practice looks
// like from its events, and knows nothing of how that is drawn: this is the file to copy.

const base = new URL(".", document.baseURI); // …/poc/, whatever stands in front of it

export class Screen extends EventTarget {
  cards = new Map(); // cardId → {data, by}
  people = new Map(); // user → the card that the user looks at, or ""
  state = "closed"; // connecting, open, lost
  problem = ""; // why the last submission was refused

  #socket = null;
  #pause = 500; // ms before the next attempt
  #left = 0; // when the socket was last open
  #timer = 0;

  // A screen begins with one of its cards in view.
  constructor(practice, user, viewing) {
    super();
    this.viewing = viewing;
    this.practice = practice;
    this.user = user;
  }

  // open connects, and goes on connecting until close.
  open() {
    clearTimeout(this.#timer);
    this.#become("connecting");
    const url = new URL(`../ws/${encodeURIComponent(this.practice)}/${encodeURIComponent(this.user)}`, base);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.#socket = new WebSocket(url));
    socket.onopen = () => {
      this.#pause = 500;
      // The replay tells who is there, except for events that this user got less than 3 s
      // ago: they are not repeated, so what we know from then still counts.
      if (Date.now() - this.#left > 3000) this.people = new Map();
      this.people.set(this.user, "");
      this.#become("open");
      // Others learn that somebody is there by what the user does.
      this.view(this.viewing);
    };
    // The first frames are the replay: what is stored of everybody who is there.
    socket.onmessage = (frame) => this.#take(JSON.parse(frame.data));
    socket.onclose = () => {
      if (this.#socket !== socket) return; // closed by us
      this.#away();
      this.#become("lost");
      this.#timer = setTimeout(() => this.open(), this.#pause * (0.5 + Math.random()));
      this.#pause = Math.min(this.#pause * 2, 15_000);
    };
  }

  // close leaves. A few seconds after a user's last socket the others get USER_LOGOUT.
  close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#away();
    this.#become("closed");
  }

  view(cardId) {
    this.viewing = cardId;
    return this.#submit({ cardId, action: "VIEWING_CARD" });
  }

  update(cardId, data) {
    return this.#submit({ cardId, data, action: "UPDATING_CARD" });
  }

  // notify tells everybody something that is not kept for those who come later.
  notify(data) {
    return this.#submit({ cardId: "notice", data, type: "DATA_NOTIFICATION_EVENT" });
  }

  // #submit changes nothing here: the change comes back over the socket, as to everybody.
  async #submit(what) {
    try {
      const answer = await fetch(new URL("submit_update_event", base), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ username: this.user, practiceId: this.practice, ...what }),
      });
      this.problem = answer.ok ? "" : (await answer.json()).message;
    } catch {
      this.problem = "The service did not answer.";
    }
    this.dispatchEvent(new Event("change"));
  }

  #take(event) {
    const { sourceId: user, targetId: cardId, data, eventAction: action, type } = event;
    if (type === "USER_SESSION_EVENT") {
      if (action === "USER_LOGOUT") {
        if (user !== this.user) this.people.delete(user);
      } else {
        if (action === "VIEWING_CARD") this.people.set(user, cardId);
        else {
          this.cards.set(cardId, { data: data ?? "", by: user });
          if (!this.people.has(user)) this.people.set(user, "");
        }
      }
    }
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
    this.dispatchEvent(new Event("change"));
  }

  #away() {
    if (this.state === "open") this.#left = Date.now();
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}
