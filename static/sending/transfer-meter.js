/** Measures how much of a file has been sent, by this client or, as the server reports it, by another. */

import { TransferRate } from "./transfer-rate.js";

/** @typedef {import("../protocol/messages.js").Message} Message */

/**
 * @typedef {object} Transfer   How far the bytes of a file are.
 * @property {number} sent                    In bytes. What this client has sent may not have arrived yet.
 * @property {number | null} total            In bytes; null if the size is not known.
 * @property {number | null} percent          0–100; null if the size is not known.
 * @property {number | null} bytesPerSecond   Over the last five seconds; null until it is known.
 * @property {number | null} secondsLeft      Null while there is no speed.
 */

export class TransferMeter {
  /** What this client has sent; null while it sends nothing. @type {number | null} */ #sent = null;
  #rate = new TransferRate();
  #seconds;

  /** @param {() => number} [seconds]   A clock that never goes back. */
  constructor(seconds = () => performance.now() / 1000) {
    this.#seconds = seconds;
  }

  /** Record what this client has sent. @param {number} sent */
  sentHere(sent) {
    if (this.#sent === null) this.#rate.restart(); // the server's count is behind this client's
    this.#sent = sent;
    this.#rate.update(this.#seconds(), sent);
  }

  /** Record what the server has received, which measures the speed of another client. @param {number} received */
  received(received) {
    if (this.#sent === null) this.#rate.update(this.#seconds(), received);
  }

  /** Forget the speed and what this client has sent: the transfer was paused, or the connection was lost. */
  restart() {
    this.#sent = null;
    this.#rate.restart();
  }

  /** Return how far the transfer is. @param {number} received @param {number | null} total @returns {Transfer} */
  transfer(received, total) {
    const now = this.#seconds();
    const sent = Math.min(Math.max(received, this.#sent ?? 0), total ?? Infinity);
    return {
      sent,
      total,
      percent: total === null ? null : total > 0 ? (sent / total) * 100 : 100,
      bytesPerSecond: this.#rate.bytesPerSecond(now),
      secondsLeft: total === null ? null : this.#rate.secondsLeft(now, total),
    };
  }
}
