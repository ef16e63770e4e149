// A page that works out an assembly's id by itself, waits until the server knows it, follows its status by polling, and
// shows what came out.
// A program of tests/node/host.mjs, with these arguments: SERVER TOKEN USER TEMPLATE MILLISECONDS FILE…
// out, one JSON value a line: {"kind": "assembly" | "waiting" | "sent" | "status" | "shown" | "done" | "failed", ...}
import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

export async function run([server, token, userId, templateId, pause, ...paths], _lines, print) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const say = (kind, more) => print({ kind, ...more });
  const hash = (algorithm, content) => createHash(algorithm).update(content).digest("hex");

  const md5List = (await Promise.all(paths.map(async (path) => hash("md5", await readFile(path))))).sort();
  const assemblyId = hash("sha256", md5List.join("") + templateId + userId);
  say("assembly", { assemblyId });

  // Before the files are there: not found yet, and the pauses grow.
  let pollInterval = Number(pause);
  let consecutiveNotFound = 0;
  async function pollWithBackoff() {
    const response = await fetch(`${server}/api/status?assemblyId=${assemblyId}`, { headers });
    if (response.status === 404) {
      consecutiveNotFound += 1;
      pollInterval = Math.min(pollInterval * 1.2, 10000);
    } else {
      consecutiveNotFound = 0;
      pollInterval = Number(pause);
    }
    say("waiting", { status: response.status, body: await response.json(), consecutiveNotFound });
    return response.ok;
  }
  await pollWithBackoff();
  const form = new FormData();
  form.append("type", templateId);
  for (const path of paths) form.append("file", await openAsBlob(path), basename(path));
  const sent = await fetch(`${server}/api/uploads`, { method: "POST", headers, body: form });
  say("sent", { status: sent.status, assemblyId: (await sent.json()).assemblyId });
  while (!(await pollWithBackoff())) await new Promise((resolve) => setTimeout(resolve, pollInterval));

  async function getAssemblyStatus() {
    const response = await fetch(`${server}/api/transflow/status?assemblyId=${assemblyId}`, { headers });
    if (response.status === 404) return null;
    if (response.status === 403) throw new Error("Access denied: You don't own this assembly");
    if (!response.ok) throw new Error(`Status request failed: ${response.status}`);
    return await response.json();
  }

  function getProgressMessage(assembly) {
    if (assembly.error) return `failed: ${assembly.error}`;
    if (assembly.ok) return `Completed in ${assembly.execution_duration.toFixed(1)}s`;
    const steps = Object.keys(assembly.results).length;
    return `Processing (${Object.values(assembly.results).filter((made) => made.length > 0).length}/${steps} steps)`;
  }

  function statusDisplay(assembly) {
    const isComplete = assembly.ok === "ASSEMBLY_COMPLETED";
    return {
      title: `Assembly ${assembly.assembly_id.slice(-8)}`,
      badge: isComplete ? "complete" : assembly.error ? "error" : "processing",
      message: assembly.message,
      progress: getProgressMessage(assembly),
      uploads: assembly.uploads.map((upload) => `${upload.name} (${(upload.size / 1024).toFixed(1)} KB) - ${upload.mime}`),
      results: Object.entries(assembly.results).flatMap(([step, made]) =>
        made.map((result) => ({ step, href: result.ssl_url, name: result.name, size: result.size })),
      ),
      bytes: `${assembly.bytes_received?.toLocaleString() || 0} / ${assembly.bytes_expected.toLocaleString()}`,
      error: assembly.error,
    };
  }

  for (;;) {
    const assembly = await getAssemblyStatus();
    if (assembly) {
      say("status", { assembly });
      say("shown", statusDisplay(assembly));
      if (assembly.ok === "ASSEMBLY_COMPLETED" || assembly.error) {
        say(assembly.ok ? "done" : "failed", { notified: assembly.user.userId });
        break;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, Number(pause)));
  }
}
