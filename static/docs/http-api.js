/** The code of the HTTP operations in Swagger UI. */

import { defaultServer } from "../shared/server.js";
import { codeComponents } from "./code-component.js";
import { httpExamples } from "./examples.js";

const JSON_TYPE = "application/json";
const FORM_TYPE = "multipart/form-data";

/** Swagger UI's plugin that shows each request in several languages. @param {any} system */
export function httpPlugin(system) {
  return { wrapComponents: codeComponents(system, requestExamples) };
}

/** Return the code of the request that was sent, or else of an example. @param {import("./code-component.js").ShownOperation} shown */
function requestExamples({ path, method, sent, operation, sampleBody }) {
  if (sent) return httpExamples(sentRequest(sent));
  /** @type {Record<string, string>} */ const headers = {};
  if (operation.security?.length) headers.Authorization = "Bearer TOKEN";
  const content = operation.requestBody?.content ?? {};
  const form = !sampleBody && content[FORM_TYPE];
  const [type] = Object.keys(content);
  if (sampleBody) headers["Content-Type"] = JSON_TYPE;
  else if (type && !form) headers["Content-Type"] = type;
  return httpExamples({
    method: method.toUpperCase(),
    url: `${defaultServer().href.replace(/\/$/, "")}${path}`,
    headers,
    body: sampleBody,
    files: form ? [Object.keys(form.schema?.properties ?? {})[0] ?? "file"] : undefined,
    isFile: Boolean(type) && !sampleBody && !form,
  });
}

/** @param {any} sent An immutable map of Swagger UI. */
function sentRequest(sent) {
  const body = sent.get("body");
  const isForm = body && typeof body !== "string" && typeof body.keys === "function";
  return {
    method: sent.get("method").toUpperCase(),
    url: sent.get("url"),
    headers: sent.get("headers")?.toJS() ?? {},
    body: typeof body === "string" ? body : undefined,
    files: isForm ? [...body.keys()] : undefined,
    isFile: body instanceof Blob,
  };
}
