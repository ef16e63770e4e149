// Follows one task by polling until it is not processing any more, and cleans it up then.
// A program of tests/node/host.mjs, with these arguments: SERVER TASK_ID MILLISECONDS TOKEN
// out, one JSON value a line: {"kind": "shown" | "completed" | "failed" | "cleaned", ...}
export async function run([server, taskId, pause, token], _lines, print) {
  const headers = { Authorization: `Bearer ${token}` }; // where a page's requests bring its cookie
  const say = (kind, more = {}) => print({ kind, ...more });
  const url = `${server}/api/progress/${taskId}`;
  const maxRetries = 3;

  async function pollWithRetry(retryCount = 0) {
    try {
      const response = await fetch(url, { headers });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      return await response.json();
    } catch (error) {
      if (retryCount >= maxRetries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2 ** retryCount * Number(pause)));
      return pollWithRetry(retryCount + 1);
    }
  }

  let state = { progress: 0, stage: "Initializing...", status: "processing" };
  do {
    await new Promise((resolve) => setTimeout(resolve, Number(pause)));
    try {
      const data = await pollWithRetry();
      state = { progress: data.progress, stage: data.stage, status: data.status, error: data.error };
    } catch (error) {
      state = { ...state, status: "error", error: "Failed to track progress", why: error.message };
    }
    say("shown", { ...state, text: state.progress < 100 ? `${state.stage} (${state.progress}% complete)` : state.stage });
  } while (state.status === "processing" && state.progress < 100);

  if (state.status === "completed") say("completed", { progress: state.progress, stage: state.stage });
  else say("failed", { alert: state.error || "Processing failed. Please try again." });

  const cleaned = await fetch(url, { method: "DELETE", headers });
  say("cleaned", { status: cleaned.status, body: await cleaned.json() });
}
