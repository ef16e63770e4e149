/** The panel of the connections: who is in which room. It is asked for only while it is open. */

import { byId, setHidden, setText } from "../../shared/dom.js";
import { confirmed } from "../common/dialog.js";
import { formatCount } from "../common/format.js";
import { Age, buttonOf, elementOf, factsOf, linkOf, performWith, sentenceOf, updateItems } from "../common/nodes.js";
import { uploadFragment } from "../common/route.js";

/** @typedef {import("../common/calls.js").Calls} Calls */

/**
 * @typedef {object} SocketInfo
 * @property {string} sid
 * @property {string} process
 * @property {string} user
 * @property {boolean} admin
 * @property {string} address
 * @property {string} transport
 * @property {string} since
 * @property {string[]} rooms
 */

const REFRESH_MS = 5_000;
const MAX_ROOMS = 4; // that are shown of a socket

export class Rooms {
  #calls;
  #panel = /** @type {HTMLDetailsElement} */ (byId("rooms"));
  #users = /** @type {Map<string, UserItem>} */ (new Map());
  #now = () => Date.now();

  /** @param {Calls} calls @param {() => number} now   Returns the server's time in ms. */
  constructor(calls, now) {
    this.#calls = calls;
    this.#now = now;
    this.#panel.addEventListener("toggle", () => void this.refresh());
    setInterval(() => document.visibilityState === "visible" && void this.refresh(), REFRESH_MS);
  }

  async refresh() {
    if (!this.#panel.open || !this.#panel.checkVisibility()) return;
    const { response, error } = await this.#calls.attempt("GET", "api/admin/rooms");
    if (!response) return setText(byId("rooms-note"), error?.message ?? "");
    this.#show(response);
  }

  /** @param {{sockets: SocketInfo[], missing: string[], truncated: boolean}} answer */
  #show({ sockets, missing, truncated }) {
    /** @type {Map<string, SocketInfo[]>} */ const byUser = new Map();
    for (const socket of sockets) byUser.set(socket.user, [...(byUser.get(socket.user) ?? []), socket]);
    const users = [...byUser.keys()].sort();
    updateItems(byId("rooms-list"), this.#users, users, (user) => user, (user) => new UserItem(user, this.#disconnect));
    for (const user of users) this.#users.get(user)?.render(byUser.get(user) ?? [], this.#now());
    const notes = [
      sockets.length === 0 && "no client is connected over Socket.IO",
      truncated && `only the first ${sockets.length} are shown`,
      missing.length && `no answer in time from ${missing.join(", ")}`,
    ];
    setText(byId("rooms-note"), sentenceOf(.../** @type {string[]} */ (notes.filter(Boolean))));
    setHidden(byId("rooms-note"), !notes.some(Boolean));
  }

  /** @param {{sid: string} | {user: string}} target */
  #disconnect = async (target) => {
    await this.#calls.perform("POST", "api/admin/rooms/disconnect", target);
    await this.refresh();
  };
}

class UserItem {
  #user;
  #disconnect;
  #facts = elementOf("span", "facts");
  #all;
  #list = elementOf("ul", "sockets");
  #sockets = /** @type {Map<string, SocketItem>} */ (new Map());
  #count = 0;

  /** @param {string} user @param {(target: {sid: string} | {user: string}) => Promise<void>} disconnect */
  constructor(user, disconnect) {
    this.#user = user;
    this.#disconnect = disconnect;
    this.#all = buttonOf("Disconnect all", `of ${user}`);
    this.#all.addEventListener("click", async () => {
      const question = `Disconnect ${formatCount(this.#count, "connection")} of ${user}?`;
      if (!(await confirmed(question, "A client may connect again by itself.", "Disconnect"))) return;
      await performWith(this.#all, "Disconnecting…", () => disconnect({ user }));
    });
    const name = elementOf("span", "process-name", elementOf("bdi", "", user));
    const head = elementOf("div", "process-head", name, this.#facts, this.#all);
    this.element = elementOf("li", "process", head, this.#list);
  }

  /** @param {SocketInfo[]} sockets @param {number} now */
  render(sockets, now) {
    this.#count = sockets.length;
    setText(this.#facts, sockets.some(({ admin }) => admin) ? "admin" : "");
    setHidden(this.#all, sockets.length < 2);
    const subject = `of ${this.#user}`;
    updateItems(
      this.#list,
      this.#sockets,
      sockets,
      ({ sid }) => sid,
      ({ sid }) => new SocketItem(subject, () => this.#disconnect({ sid })),
    );
    for (const socket of sockets) this.#sockets.get(socket.sid)?.render(socket, now);
  }
}

class SocketItem {
  #contents = elementOf("div", "who");
  #json = "";
  /** @type {Age | null} */ #age = null;

  /** @param {string} subject @param {() => Promise<void>} disconnect */
  constructor(subject, disconnect) {
    const button = buttonOf("Disconnect", `a connection ${subject}`);
    button.addEventListener("click", () => performWith(button, "Disconnecting…", disconnect));
    this.element = elementOf("li", "socket", this.#contents, button);
  }

  /** @param {SocketInfo} socket @param {number} now */
  render(socket, now) {
    const json = JSON.stringify(socket);
    if (json !== this.#json) {
      this.#json = json;
      const { address, transport, process, since, rooms } = socket;
      this.#age = new Age(since);
      const facts = factsOf("", address, transport, process, elementOf("span", "", "for ", this.#age.element));
      this.#contents.replaceChildren(facts, roomsOf(rooms));
    }
    this.#age?.render(now);
  }
}

/** @param {string[]} rooms */
function roomsOf(rooms) {
  if (!rooms.length) return elementOf("p", "muted", "In no room.");
  const items = rooms.slice(0, MAX_ROOMS).map((room) => {
    const isUpload = room.startsWith("upload_");
    return elementOf("li", "", isUpload ? linkOf(uploadFragment(room), "room", room) : elementOf("span", "room", room));
  });
  const rest = rooms.length - items.length;
  if (rest > 0) items.push(elementOf("li", "muted", `and ${rest} more`));
  return elementOf("ul", "room-list", ...items);
}
