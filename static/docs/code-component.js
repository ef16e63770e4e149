/** The code of an operation in Swagger UI, as tabs, in place of its curl command. */

import { showExamples } from "./code-tabs.js";

/**
 * @typedef {object} ShownOperation
 * @property {string} path
 * @property {string} method
 * @property {any} sent the request that was executed, as an immutable map of Swagger UI; undefined before
 * @property {any} operation of the OpenAPI document, with its references resolved
 * @property {string | undefined} sampleBody the example of its body in JSON
 */

/**
 * Return the components of a Swagger UI plugin that show an operation's code above its responses.
 *
 * @param {any} system
 * @param {(operation: ShownOperation) => import("./code-tabs.js").Example[]} examplesOf
 */
export function codeComponents(system, examplesOf) {
  const { React } = system;
  const element = React.createElement;

  const Code = (/** @type {any} */ { examples }) => {
    const group = React.useRef(null);
    React.useEffect(() => showExamples(group.current, examples), [JSON.stringify(examples)]);
    return element("div", { ref: group });
  };
  return {
    curl: () => () => null,
    responses: (/** @type {any} */ Original) => (/** @type {any} */ props) =>
      element(
        React.Fragment,
        null,
        element(Code, { examples: examplesOf(shownOperation(system, props.path, props.method)) }),
        element(Original, props),
      ),
  };
}

/** @param {any} system @param {string} path @param {string} method @returns {ShownOperation} */
function shownOperation({ specSelectors, fn }, path, method) {
  const operation = specSelectors.specResolvedSubtree(["paths", path, method])?.toJS() ?? {};
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  return {
    path,
    method,
    sent: specSelectors.mutatedRequestFor(path, method),
    operation,
    sampleBody: schema && fn.getSampleSchema(schema, "application/json", {}),
  };
}
