import assert from "node:assert/strict";
import test from "node:test";

import { acceptedText, measuredReason, neededMeasures, rejectionReason } from "../../static/intake/checks.js";
import { separateDuplicates } from "../../static/intake/duplicates.js";
import { acceptedTypes } from "../../static/intake/file-sources.js";
import { MAX_DEPTH, MAX_FILES, readInput, readTransfer, withPastedNames } from "../../static/intake/given-files.js";
import { en } from "../../static/locale/en.js";
import { iconOf } from "../../static/page/favicon.js";
import { resultOf } from "../../static/page/page-title.js";

const NOTES = { name: "notes.txt", type: "text/plain", size: 10 };
const CLIP = { name: "clip.mp4", type: "video/mp4", size: 10_000 };
const DOCUMENT = { name: "document", title: "Document", kind: "file", maxBytes: 50 };
const AVATAR = { name: "avatar", title: "Profile picture", kind: "image", maxBytes: 500 };
const FORMATS = { video: ["MP4", "MOV", "WebM", "MKV", "AVI"], image: ["JPEG", "PNG", "WebP", "HEIC"], audio: ["MP3", "M4A"] };

test("rejectionReason rejects a file that is not media, unless the template accepts any file", () => {
  assert.match(rejectionReason(NOTES, {}, undefined) ?? "", /not a video/);
  assert.match(rejectionReason(NOTES, {}, { name: "auto", kind: "auto" }) ?? "", /not a video/);
  assert.equal(rejectionReason(NOTES, {}, DOCUMENT), null);
});

test("rejectionReason accepts an empty file only if the template accepts any file", () => {
  assert.equal(rejectionReason({ ...NOTES, size: 0 }, {}, DOCUMENT), null);
  assert.equal(rejectionReason({ ...CLIP, size: 0 }, {}, undefined), "The file is empty.");
});

test("rejectionReason compares the size with the limit of the template, else with that of the server", () => {
  const reason = (size, config, template) => rejectionReason({ ...CLIP, size }, config, template);
  assert.equal(reason(50_001, { maxUploadBytes: 50_000 }), "The file has 50.1 kB. The limit is 50 kB.");
  assert.equal(reason(50_000, { maxUploadBytes: 50_000 }), null);
  assert.equal(reason(51, { maxUploadBytes: 50_000 }, DOCUMENT), "The file has 51 bytes. The limit is 50 bytes.");
  assert.equal(reason(2 ** 31 + 1, { maxUploadBytes: 2 ** 31 }), "The file has 2.15 GB. The limit is 2 GB.");
  assert.match(reason(501, {}, AVATAR) ?? "", /“Profile picture” accepts images only/, "the more useful reason");
});

test("limits are rounded down to what people write", () => {
  const texts = [999, 4096, 50_000, 1_239_999, 256 * 1024 ** 2, 2 ** 31, 5 * 1024 ** 4].map(en.format.limit);
  assert.deepEqual(texts, ["999 bytes", "4 kB", "50 kB", "1.23 MB", "256 MB", "2 GB", "5 TB"]);
});

test("acceptedText names the usual formats of what the template accepts", () => {
  const text = (template) => acceptedText({ formats: FORMATS, maxUploadBytes: 2 ** 31 }, template, en);
  assert.equal(text(), "MP4, MOV, WebM, JPEG, PNG, WebP, MP3 and more · up to 2 GB each");
  assert.equal(text(AVATAR), "JPEG, PNG, WebP, HEIC and more · up to 500 bytes each");
  assert.equal(text({ kind: "video", maxBytes: 4096 }), "MP4, MOV, WebM, MKV, MP3, M4A and more · up to 4 kB each");
  assert.equal(text(DOCUMENT), "Any file of up to 50 bytes");
  assert.equal(acceptedText({}, undefined, en), "");
});

test("media are measured only if they have enough bytes for the limits", () => {
  const config = { maxDurationSeconds: 10, maxPixels: 1e6 };
  assert.equal(neededMeasures({ ...CLIP, size: 5_001 }, config), "video");
  assert.equal(neededMeasures({ ...CLIP, size: 5_000 }, config), null);
  assert.equal(neededMeasures({ name: "a.png", type: "", size: 20_001 }, config), "image");
  assert.equal(neededMeasures(CLIP, {}), null);
  assert.equal(measuredReason({ seconds: 61.2, pixels: null }, config), "The file lasts 1:01. The limit is 0:10.");
  assert.equal(measuredReason({ seconds: 10, pixels: null }, config), null);
  const large = { maxPixels: 300e6 };
  assert.equal(measuredReason({ seconds: null, pixels: 310e6 }, large), "The image has 310 megapixels. The limit is 300.");
});

// --- duplicates -----------------------------------------------------------------------------------------------------

const facts = (name, more = {}) => ({ name, size: 5, lastModified: 7, ...more });
const upload = (file, more = {}) => ({ file, state: { stage: "done", status: "completed" }, error: null, id: "1", ...more });
const split = (files, uploads) => {
  const { fresh, duplicates } = separateDuplicates(files.map((file) => ({ file })), uploads);
  return [fresh, duplicates].map((list) => list.map(({ file }) => file.name + file.size));
};

test("a duplicate has the name, the size and the date of a listed file, or of one that is given with it", () => {
  const listed = [upload(facts("a"))];
  assert.deepEqual(split([facts("a"), facts("b"), facts("b")], listed), [["b5"], ["a5", "b5"]]);
  const others = [facts("a", { size: 6 }), facts("a", { lastModified: 8 }), facts("A")];
  assert.deepEqual(split(others, listed)[1], []);
});

test("after a reload the name and the size are compared", () => {
  const restored = upload(null, { state: { stage: "compressing", status: "compressing", filename: "a", bytesExpected: 5 } });
  assert.deepEqual(split([facts("a", { lastModified: 9 })], [restored])[1], ["a5"]);
});

test("what has failed, was cancelled or waits for its file is no duplicate", () => {
  const received = { filename: "a", bytesExpected: 5 };
  const uploads = [
    upload(facts("a"), { state: { stage: "failed", status: "error" } }),
    upload(facts("a"), { state: { stage: "cancelled", status: "error" } }),
    upload(facts("a"), { state: null, error: { code: "TOO_LARGE", retryable: false } }),
    upload(null, { state: { ...received, stage: "receiving", status: "starting" }, needsFile: true }),
  ];
  assert.deepEqual(split([facts("a")], uploads), [["a5"], []]);
});

// --- folders --------------------------------------------------------------------------------------------------------

const fileEntry = (name) => ({ name, isDirectory: false, file: (done) => done(new File(["x"], name)) });
const folderEntry = (name, children, batch = 100) => ({
  name,
  isDirectory: true,
  createReader() {
    const waiting = [...children];
    return { readEntries: (done) => done(waiting.splice(0, batch)) };
  },
});
const itemOf = (entry) => ({
  kind: "file",
  getAsFile: () => (entry.isDirectory ? null : new File(["x"], entry.name)),
  webkitGetAsEntry: () => entry,
});
const dropped = (...entries) => readTransfer({ items: entries.map(itemOf) });
const namesOf = ({ files }) => files.map(({ file }) => file.name);

test("readTransfer walks through folders until a reader has no more entries, by name", async () => {
  const pictures = Array.from({ length: 250 }, (_, index) => fileEntry(`${index}.png`)).reverse();
  const given = await dropped(folderEntry("Holiday", [...pictures, folderEntry("inner", [fileEntry("last.png")])]));
  assert.deepEqual(namesOf(given).slice(0, 3), ["0.png", "1.png", "2.png"]);
  assert.equal(namesOf(given).length, 251);
  assert.equal(namesOf(given).at(-1), "last.png");
  assert.ok(given.files.every(({ inFolder }) => inFolder));
});

test("readTransfer omits hidden files, and names empty and unreadable folders", async () => {
  const broken = { ...folderEntry("broken", []), createReader: () => ({ readEntries: (_, fail) => fail(new Error()) }) };
  const hidden = [".DS_Store", "Thumbs.db", "desktop.ini"].map(fileEntry);
  const given = await dropped(folderEntry("a", [...hidden, folderEntry(".git", []), broken]), folderEntry("b", []));
  assert.deepEqual(given.hidden.sort(), [".DS_Store", ".git", "Thumbs.db", "desktop.ini"]);
  assert.deepEqual([given.emptyFolders, given.unreadable, given.files], [["b"], ["broken"], []]);
});

test("readTransfer omits a folder with too many files, and folders that lie too deep, but nothing beside them", async () => {
  const many = Array.from({ length: MAX_FILES + 1 }, (_, index) => fileEntry(`${index}.png`));
  let deep = folderEntry("deepest", [fileEntry("deep.png")]);
  for (let level = 0; level <= MAX_DEPTH; level += 1) deep = folderEntry(`level ${level}`, [deep, fileEntry(`${level}.png`)]);
  const given = await dropped(folderEntry("many", many), deep, fileEntry("beside.png"));
  assert.deepEqual(given.largeFolders, ["many"]);
  assert.deepEqual(given.deepFolders, ["deepest"]);
  assert.equal(namesOf(given).length, MAX_DEPTH + 2);
  assert.equal(namesOf(given).at(-1), "beside.png");
});

test("readInput sees the folders of a chosen folder in the paths of its files", async () => {
  const chosen = ["Holiday/b.png", "Holiday/day/a.png", "Holiday/.git/x.png"].map((path) => {
    const file = new File(["x"], path.split("/").pop());
    return Object.defineProperty(file, "webkitRelativePath", { value: path });
  });
  const given = await readInput(chosen);
  assert.deepEqual([namesOf(given).sort(), given.hidden], [["a.png", "b.png"], [".git"]]);
  const alone = Object.defineProperty(new File(["x"], ".alone.png"), "webkitRelativePath", { value: "" });
  assert.deepEqual(namesOf(await readInput([alone])), [".alone.png"], "what is chosen itself is not hidden");
});

test("withPastedNames renames a picture that was made when it was pasted, and no file", () => {
  const now = new Date(2026, 10, 8, 9, 5, 3);
  const of = (name, age) => ({ file: new File(["x"], name, { lastModified: now.getTime() - age }), inFolder: false });
  const given = { files: [of("image.png", 5), of("image.png", 60_000), of("photo.png", 5)] };
  const names = namesOf(withPastedNames(given, en.intake.pastedPicture, now));
  assert.deepEqual(names, ["Pasted picture 2026-11-08 09.05.03.png", "image.png", "photo.png"]);
});

test("acceptedTypes has the types and the suffixes of an accept attribute", () => {
  assert.deepEqual(acceptedTypes("video/*, image/png"), { "video/*": [], "image/png": [] });
  assert.deepEqual(acceptedTypes(".png, .mov"), { "application/octet-stream": [".png", ".mov"] });
});

// --- title and icon -------------------------------------------------------------------------------------------------

test("resultOf says how many have failed, else how many are done, and nothing of cancelled ones", () => {
  assert.deepEqual(resultOf({ completed: 3, failed: 0 }, en), { outcome: "done", text: "✓ 3 done" });
  assert.deepEqual(resultOf({ completed: 3, failed: 2 }, en), { outcome: "failed", text: "2 failed" });
  assert.equal(resultOf({ completed: 0, failed: 0 }, en), null);
});

test("each outcome has its own icon, which needs no request", () => {
  const icons = ["busy", "done", "failed"].map(iconOf);
  assert.equal(new Set(icons).size, 3);
  assert.ok(icons.every((icon) => icon.startsWith("data:image/svg+xml,%3Csvg")));
});
