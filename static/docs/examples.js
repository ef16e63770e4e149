/** Writes the code of a request or of a call in several languages. Pure. */

/** @typedef {import("./code-tabs.js").Example} Example */
/**
 * @typedef {object} HttpRequest
 * @property {string} method
 * @property {string} url
 * @property {Record<string, string>} headers
 * @property {string} [body] JSON or other text
 * @property {string[]} [files] the fields of a form that are files
 * @property {boolean} [isFile] whether the body is a file
 */

/** Return the code that makes a request. @param {HttpRequest} request @returns {Example[]} */
export function httpExamples(request) {
  return [
    { language: "javascript", label: "JavaScript", code: fetchCode(request) },
    { language: "python", label: "Python", code: requestsCode(request) },
    { language: "curl", label: "curl", code: curlCode(request) },
  ];
}

/** Return the code that makes a call and waits for its acknowledgement. @param {string} name @param {string} argument JSON
 * @returns {Example[]} */
export function callExamples(name, argument) {
  return [
    { language: "javascript", label: "JavaScript", code: `const ack = await socket.emitWithAck(${JSON.stringify(name)}, ${argument});` },
    { language: "python", label: "Python", code: `ack = await sio.call(${JSON.stringify(name)}, ${pythonLiteral(argument)})` },
  ];
}

/** Return the code that receives an event. @param {string} name @returns {Example[]} */
export function eventExamples(name) {
  const quoted = JSON.stringify(name);
  return [
    { language: "javascript", label: "JavaScript", code: `socket.on(${quoted}, (upload) => console.log(upload.message));` },
    {
      language: "python",
      label: "Python",
      code: `@sio.on(${quoted})\nasync def receive(upload):\n    print(upload["message"])`,
    },
  ];
}

/** @param {HttpRequest} request */
function fetchCode({ method, url, headers, body, files, isFile }) {
  const lines = [];
  if (files) {
    lines.push("const form = new FormData();");
    for (const field of files) lines.push(`form.append(${JSON.stringify(field)}, file); // a File or a Blob`);
  }
  const options = [];
  if (method !== "GET") options.push(`method: ${JSON.stringify(method)}`);
  if (Object.keys(headers).length) options.push(`headers: ${JSON.stringify(headers)}`);
  if (files) options.push("body: form");
  else if (isFile) options.push("body: file");
  else if (isJson(headers) && body) options.push(`body: JSON.stringify(${body})`);
  else if (body) options.push(`body: ${JSON.stringify(body)}`);
  const argument = options.length ? `, {\n  ${options.join(",\n  ")},\n}` : "";
  lines.push(`const response = await fetch(${JSON.stringify(url)}${argument});`);
  return lines.join("\n");
}

/** @param {HttpRequest} request */
function requestsCode({ method, url, headers, body, files, isFile }) {
  const known = isJson(headers) && body && !files;
  const sent = Object.entries(headers).filter(([name]) => !known || name.toLowerCase() !== "content-type");
  const lines = [`    ${JSON.stringify(method)},`, `    ${JSON.stringify(url)},`];
  if (sent.length) lines.push(`    headers=${JSON.stringify(Object.fromEntries(sent))},`);
  if (files) lines.push(`    files={${files.map((field) => `${JSON.stringify(field)}: open("film.mp4", "rb")`).join(", ")}},`);
  else if (isFile) lines.push('    data=open("film.mp4", "rb"),');
  else if (known) lines.push(`    json=${pythonLiteral(body)},`);
  else if (body) lines.push(`    data=${JSON.stringify(body)},`);
  return `import requests\n\nresponse = requests.request(\n${lines.join("\n")}\n)`;
}

/** @param {HttpRequest} request */
function curlCode({ method, url, headers, body, files, isFile }) {
  const lines = [`curl -X ${method} ${quoteForShell(url)}`];
  if (method === "HEAD") lines[0] = `curl -I ${quoteForShell(url)}`;
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoteForShell(`${name}: ${value}`)}`);
  if (files) for (const field of files) lines.push(`-F ${quoteForShell(`${field}=@film.mp4`)}`);
  else if (isFile) lines.push("--data-binary @film.mp4");
  else if (body) lines.push(`--data-raw ${quoteForShell(body)}`);
  return lines.join(" \\\n  ");
}

/** @param {Record<string, string>} headers */
function isJson(headers) {
  return Object.entries(headers).some(([name, value]) => name.toLowerCase() === "content-type" && value === "application/json");
}

/** @param {string} text */
function quoteForShell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Return a JSON text as a literal of Python, which differs in three names. @param {string} json */
function pythonLiteral(json) {
  const names = /** @type {Record<string, string>} */ ({ true: "True", false: "False", null: "None" });
  return json.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/g, (token) => names[token] ?? token);
}
