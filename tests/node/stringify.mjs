// Writes, for each line of JSON on stdin, what JSON.stringify(JSON.parse(line)) is. Lines end with "\n" alone.
import { stdin, stdout } from "node:process";

stdin.setEncoding("utf8");
let rest = "";
for await (const chunk of stdin) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  for (const line of lines) stdout.write(`${JSON.stringify(JSON.parse(line))}\n`);
}
