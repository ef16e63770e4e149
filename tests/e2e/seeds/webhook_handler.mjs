// A webhook's handler as frameworks run it: the body is parsed before the handler sees it, so the signature is checked
// over what JSON.stringify makes of it.
//   node webhook_handler.mjs SECRET FILE
// It says its URL in a line on stdout. FILE gets a JSON value a line for each request: {"status", "raw", "notified"}.
import { createHmac } from "node:crypto";
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";

const [secret, file] = process.argv.slice(2);
const note = (value) => appendFileSync(file, `${JSON.stringify(value)}\n`);

function handler(req) {
  if (req.method !== "POST") return { status: 405, body: { error: "Method not allowed" } };
  const signature = req.headers["x-transflow-signature"];
  const digest = createHmac("sha256", secret).update(JSON.stringify(req.body)).digest("hex");
  if (signature !== `sha256=${digest}`) return { status: 401, body: { error: "Invalid signature" } };
  const assembly = req.body;
  const notified = [];
  const notifyUser = (userId, text) => notified.push({ userId, text });
  if (assembly.ok === "ASSEMBLY_COMPLETED") notifyUser(assembly.user.userId, "Processing completed");
  else if (assembly.error) notifyUser(assembly.user.userId, `Processing failed: ${assembly.error}`);
  return { status: 200, body: { message: "Webhook processed" }, notified };
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const raw = Buffer.concat(chunks).toString();
  const { method, headers } = request;
  const { status, body, notified } = handler({ method, headers, body: raw ? JSON.parse(raw) : {} });
  note({ status, raw, notified: notified ?? [] });
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/api/webhooks/transflow`));
