/** Ends the process of a test that does not end, and names the test. For `node --import`. */

import { afterEach, beforeEach } from "node:test";

const SECONDS = 60;
const { setTimeout, clearTimeout } = globalThis; // those of now: a test may replace them
let timer;

beforeEach(({ name }) => {
  timer = setTimeout(() => {
    console.error(`The test "${name}" has not ended within ${SECONDS} s.`);
    process.exit(1);
  }, SECONDS * 1000);
});
afterEach(() => clearTimeout(timer));
