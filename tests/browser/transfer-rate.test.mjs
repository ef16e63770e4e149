import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { TransferRate } from "../../static/sending/transfer-rate.js";

const CASES = JSON.parse(readFileSync(new URL("../support/transfer_rates.json", import.meta.url), "utf8"));

for (const { name, steps } of CASES) {
  test(`${name}, as in Python`, () => {
    const rate = new TransferRate();
    for (const { update, restart, at, total, bytesPerSecond, secondsLeft } of steps) {
      if (update) rate.update(...update);
      else if (restart) rate.restart();
      else {
        same(rate.bytesPerSecond(at), bytesPerSecond);
        same(rate.secondsLeft(at, total), secondsLeft);
      }
    }
  });
}

function same(actual, expected) {
  if (expected === null) assert.equal(actual, null);
  else assert.ok(Math.abs(actual - expected) <= 1e-6 * Math.max(1, expected), `${actual}, not ${expected}`);
}
