// Sends a file and shows its progress: node upload.mjs FILE
import { openAsBlob } from "node:fs";
import { basename } from "node:path";

import { connect } from "roomcast";

const [path] = process.argv.slice(2);
const roomcast = connect({ url: process.env.ROOMCAST_URL ?? "http://127.0.0.1:8000", token: process.env.ROOMCAST_TOKEN });
const file = new File([await openAsBlob(path)], basename(path));
const upload = roomcast.upload(file, {
  onProgress: ({ stage, progress }) => console.log(`${stage}: ${Math.floor(progress)} %`),
});
const { element } = await upload.finished; // rejects with a RoomcastError, which has a code
for (const { name, url } of element.outputs) console.log(`${name}: ${url}`);
roomcast.close();
