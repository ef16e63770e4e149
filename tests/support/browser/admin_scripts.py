"""Scripts that tests of the admin page run in pages."""

GROUPS = """async () => {
  const { FailureGroups } = await import("/static/admin/panels/failures.js");
  const list = document.getElementById("failures");
  const failure = (name, message) =>
    ({ uploadId: `upload_${name}`, filename: `${name}.mp4`, owner: "ada", at: new Date().toISOString(), message });
  const group = (code, step, ...messages) =>
    ({ code, step, retryable: false, uploads: messages.map((message, index) => failure("ab"[index], message)) });
  const before = [...list.children];
  list.replaceChildren();
  new FailureGroups(async () => {}).show(
    [
      group("TRANSCODE_ERROR", "compressing", "one reason for both", "one reason for both"),
      group("UNREADABLE_MEDIA", "probing", "damaged", "empty"),
    ],
    Date.now(),
  );
  const text = (one, selector) => one.querySelector(selector)?.textContent ?? "";
  const shown = [...list.children].map((one) => {
    const members = [...one.querySelectorAll(".failed > li")].map((member) =>
      [text(member, ".name"), text(member, ".reason")].filter(Boolean).join(": "));
    const head = `${text(one, ".count")} ${text(one, "h3")}, in ${text(one, ".failed-step")}:`;
    return `${head} ${text(one, ":scope > .reason")}`.trim() + ` / ${members.join(", ")}`;
  });
  list.replaceChildren(...before);
  return shown;
}"""
"""Shows a group whose failures have one message, and one where each has its own, and returns what is shown."""

DRAIN_ALL = """async () => {
  const { WorkerProcesses } = await import("/static/admin/panels/workers.js");
  const ids = ["workers-all", "processes", "processes-empty"];
  const own = ids.map((id) => document.getElementById(id));
  const copies = own.map((one) => one.cloneNode());
  own.forEach((one, index) => one.replaceWith(copies[index]));
  const orders = [];
  const panel = new WorkerProcesses(async (...order) => void orders.push(order));
  const processes = ["one", "two"].map((process) => ({ process, workers: 1, busy: 0, leases: [], paused: false }));
  const press = (name) =>
    [...copies[0].querySelectorAll("button:not([hidden])")].find((one) => one.textContent === name).click();
  panel.show(processes, [], Date.now());
  press("Drain all worker processes");
  await Promise.resolve();
  const since = new Date().toISOString();
  panel.show(processes, [{ type: "worker", name: "*", by: "root", since, uploads: 0 }], Date.now());
  press("Resume all worker processes");
  await Promise.resolve();
  copies.forEach((one, index) => one.replaceWith(own[index]));
  return orders;
}"""
"""Shows two worker processes, drains and resumes all, and returns the orders."""

CONNECT_TWICE = """async (token) => {
  const { connect } = await import("/static/roomcast.js");
  globalThis.connections = [connect({ token }), connect({ token })];
  const online = (one) => new Promise((resolve) => {
    const check = () => one.state === "online" && resolve();
    one.addEventListener("statechange", check);
    one.watch("upload_" + "0".repeat(32));
    check();
  });
  await Promise.all(connections.map(online));
}"""
"""Opens two connections with a token, and waits until both are online."""
