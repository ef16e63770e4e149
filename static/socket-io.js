/** Where socket.io-client comes from. */

import { load } from "./library.js";

/** The official client's `io`, or null where it cannot be had. */
export function loadSocketIo() {
  return load({
    module: "socket.io-client/dist/socket.io.esm.min.js",
    exported: "io",
    script: "https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js",
    integrity: "sha384-fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1",
    global: "io",
  });
}
