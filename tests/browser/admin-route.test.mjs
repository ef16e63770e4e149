import assert from "node:assert/strict";
import test from "node:test";

import {
  NO_FILTER, filterWords, isFiltered, listFragment, parseRoute, serverFilter, uploadFragment,
} from "../../static/admin/common/route.js";

const NOW = Date.parse("2026-01-02T12:00:00Z");

test("a route is what its fragment says", () => {
  const filter = { ...NO_FILTER, state: "failed", text: "a&b = c#d %", template: "hero-video", sort: "largest" };
  assert.deepEqual(parseRoute(listFragment(filter)), { view: "list", filter });
  assert.deepEqual(parseRoute(uploadFragment("a/b c?")), { view: "upload", uploadId: "a/b c?" });
  assert.equal(listFragment(NO_FILTER), "#/");
  assert.equal(listFragment({ owner: "ada" }), "#/?owner=ada");
});

test("what is no route is the unfiltered list", () => {
  for (const fragment of ["", "#", "#/", "#/uploads/", "#/uploads/%E0%A4%A", "#elsewhere", "#/?", "#/?unknown=1"]) {
    assert.deepEqual(parseRoute(fragment), { view: "list", filter: NO_FILTER }, fragment);
  }
});

test("values that no list has are left out, and long texts are cut", () => {
  const { filter } = parseRoute(`#/?state=zzz&age=century&sort=bogus&owner=ada&text=${"x".repeat(300)}`);
  assert.deepEqual(filter, { ...NO_FILTER, owner: "ada", text: "x".repeat(200) });
});

test("an order alone is a filter, the usual order is not", () => {
  assert.ok(isFiltered({ ...NO_FILTER, sort: "oldest" }));
  assert.ok(!isFiltered({ ...NO_FILTER, sort: "newest" }));
});

test("the server receives a status or a stage, and a time", () => {
  const of = (filter) => serverFilter({ ...NO_FILTER, ...filter }, NOW);
  assert.deepEqual(of({}), {});
  assert.deepEqual(of({ state: "failed", sort: "oldest" }), { stage: "failed" });
  assert.deepEqual(of({ state: "completed", code: "TIMEOUT" }), { status: "completed", code: "TIMEOUT" });
  assert.deepEqual(of({ age: "hour" }), { since: "2026-01-02T11:00:00.000Z" });
  assert.deepEqual(of({ age: "century" }), {});
});

test("a filter in words names all of its properties", () => {
  const filter = { state: "failed", text: "clip", template: "auto", owner: "ada", code: "TIMEOUT", age: "day", sort: "newest" };
  assert.equal(
    filterWords(filter),
    "failed, name with “clip”, template “auto”, owner “ada”, code TIMEOUT, created within the last day",
  );
  assert.equal(filterWords(NO_FILTER), "");
});
