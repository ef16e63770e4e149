/** Watches uploads for several users, such as elements and components, and leaves them after the last one. */

/** @typedef {import("./connection.js").Roomcast} Roomcast */
/** @typedef {import("./upload.js").Upload} Upload */

/** The number of users of an upload that is watched only for them. @type {WeakMap<Upload, number>} */
const userCounts = new WeakMap();

/** Watch an upload until `leaveShared`. @param {Roomcast} roomcast @param {string} uploadId */
export function watchShared(roomcast, uploadId) {
  const watchedBefore = roomcast.uploads.some(({ id }) => id === uploadId);
  const upload = roomcast.watch(uploadId);
  const count = userCounts.get(upload);
  if (count !== undefined || !watchedBefore) userCounts.set(upload, (count ?? 0) + 1);
  return upload;
}

/** Leave an upload, unless it has another user or the application watches it. @param {Upload} upload */
export function leaveShared(upload) {
  const count = userCounts.get(upload);
  if (count === undefined) return;
  if (count > 1) return void userCounts.set(upload, count - 1);
  userCounts.delete(upload);
  void upload.leave();
}
