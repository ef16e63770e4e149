// Runs an example of the documentation: sends a file with its `upload`, and prints what it returned.
// Arguments: MODULE FILE
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

export async function run([module, path], _lines, print) {
  const { upload } = await import(pathToFileURL(module));
  const shown = [];
  const file = new File([await readFile(path)], basename(path));
  const ended = await upload(file, (stage, progress) => shown.push([stage, progress]));
  print({ shown, ended });
}
