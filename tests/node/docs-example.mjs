// Runs an example of the documentation: sends a file with its `upload`, and prints what it returned, as JSON.
//   node docs-example.mjs MODULE FILE
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

const [module, path] = process.argv.slice(2);
const { upload } = await import(pathToFileURL(module));
const shown = [];
const file = new File([await readFile(path)], basename(path));
const ended = await upload(file, (stage, progress) => shown.push([stage, progress]));
process.stdout.write(JSON.stringify({ shown, ended }));
