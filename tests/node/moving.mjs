// Runs an example of docs/moving.md: sends a file with its `upload`, and prints what it returned, as JSON.
//   node moving.mjs MODULE FILE
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

const [module, path] = process.argv.slice(2);
const { upload } = await import(pathToFileURL(module));
const shown = [];
const file = new File([await readFile(path)], basename(path));
const ended = await upload(file, (word, progress) => shown.push([word, progress]));
process.stdout.write(JSON.stringify({ shown, ended }));
