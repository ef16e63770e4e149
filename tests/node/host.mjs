// Runs the client programs of tests in one process: to start Node and to load a library is most of what a program costs.
//   node host.mjs PATH      prints a line when programs can be requested through the Unix socket at PATH
// Each connection is for one program. Its first line is {"program": FILE, "arguments": […]}, and FILE exports
// `run(arguments, lines, print)`: `lines` are the further lines, and `print` sends a value as a line of JSON.
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

async function serve(connection) {
  const lines = createInterface({ input: connection })[Symbol.asyncIterator]();
  const print = (value) => {
    if (connection.writable) connection.write(`${JSON.stringify(value)}\n`);
  };
  try {
    const { program, arguments: given } = JSON.parse((await lines.next()).value);
    const { run } = await import(pathToFileURL(program));
    await run(given, lines, print);
  } catch (error) {
    print({ kind: "exception", reason: error.stack });
  }
  connection.end();
}

const server = createServer({ allowHalfOpen: true }, (connection) => {
  connection.on("error", () => {}); // the test has failed, and does not read any more
  void serve(connection);
});
server.listen(process.argv[2], () => console.log("listening"));
