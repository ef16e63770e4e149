/** Reads the files that a drop, a paste or a file input gives. Folders are walked through, with all folders in them. */

/**
 * @typedef {object} GivenFile
 * @property {File} file
 * @property {FileSystemFileHandle | null} handle   Reads the file again after a reload; only some browsers have it.
 * @property {boolean} inFolder                     Whether the file was found in a folder, and not given itself.
 *
 * @typedef {object} Given
 * @property {GivenFile[]} files          In the order given; those of a folder by name.
 * @property {string[]} hidden            The names of hidden files and folders in folders. They are omitted.
 * @property {string[]} emptyFolders      The names of folders without files.
 * @property {string[]} largeFolders      The names of folders with more than `MAX_FILES` files. They are omitted.
 * @property {string[]} deepFolders       The names of folders more than `MAX_DEPTH` levels deep. They are omitted.
 * @property {string[]} unreadable        The names of files and folders that could not be read.
 *
 * @typedef {object} Node   A file or a folder of either file system API.
 * @property {string} name
 * @property {boolean} isFolder
 * @property {() => Promise<GivenFile>} read       Of a file.
 * @property {() => Promise<Node[]>} children      Of a folder.
 */

/** The most files that a folder may have, with all folders in it. */
export const MAX_FILES = 1_000;
/** The most levels of folders below a folder that is given. */
export const MAX_DEPTH = 20;

const SYSTEM_FILES = new Set(["thumbs.db", "desktop.ini", "__macosx", "$recycle.bin"]);
const PASTED_MS = 10_000; // browsers date a picture from the clipboard when it is pasted

/** Return whether files are dragged, and not text. @param {DragEvent} event */
export function hasFiles({ dataTransfer }) {
  return dataTransfer?.types.includes("Files") ?? false;
}

/**
 * Read what was dropped or pasted. Call it in the event's own task: browsers empty the transfer afterwards.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<Given>}
 */
export async function readTransfer({ items }) {
  const nodes = [...items].filter(({ kind }) => kind === "file").map(nodeOfItem);
  return collect(await Promise.all(nodes));
}

/** Read the files of a file input, which may be those of a folder.
 * @param {Iterable<File>} files @returns {Promise<Given>} */
export async function readInput(files) {
  /** @type {Map<string, any>} */ const tree = new Map();
  for (const file of files) {
    const folders = file.webkitRelativePath.split("/").slice(0, -1);
    let level = tree;
    for (const folder of folders) {
      if (!level.has(`${folder}/`)) level.set(`${folder}/`, new Map());
      level = level.get(`${folder}/`);
    }
    level.set(`${level.size}`, file);
  }
  return collect(nodesOfTree(tree));
}

/** Return files that were given one by one. @param {Iterable<File>} files @returns {Given} */
export function givenFiles(files) {
  return { ...nothing(), files: [...files].map((file) => ({ file, handle: null, inFolder: false })) };
}

/** Return files that were chosen by their handles. @param {FileSystemFileHandle[]} handles @returns {Promise<Given>} */
export function readHandles(handles) {
  return collect(handles.map(nodeOfHandle));
}

/**
 * Give pictures from the clipboard a name of their own: browsers call each of them `image.png`.
 *
 * @param {Given} given @param {(time: string) => string} nameAt   Returns a name without a suffix. @param {Date} now
 * @returns {Given}
 */
export function withPastedNames(given, nameAt, now) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("-");
  const time = `${date} ${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(".")}`;
  const files = given.files.map((one) => {
    const { file } = one;
    const isFromClipboard = /^image\.\w+$/.test(file.name) && Math.abs(now.getTime() - file.lastModified) < PASTED_MS;
    if (!isFromClipboard) return one;
    const name = `${nameAt(time)}.${file.name.split(".").pop()}`;
    return { ...one, file: new File([file], name, { type: file.type, lastModified: file.lastModified }) };
  });
  return { ...given, files };
}

/** Return whether a name is that of a file which the system hides or makes for itself. @param {string} name */
export function isHidden(name) {
  return name.startsWith(".") || SYSTEM_FILES.has(name.toLowerCase());
}

// --- nodes ----------------------------------------------------------------------------------------------------------

/** @param {DataTransferItem} item @returns {Promise<Node | null>} */
async function nodeOfItem(item) {
  // All three before the first await: afterwards the item is empty.
  const file = item.getAsFile();
  const entry = item.webkitGetAsEntry?.() ?? null;
  const handle = /** @type {any} */ (item).getAsFileSystemHandle?.().catch(() => null);
  const found = await handle;
  if (found) return nodeOfHandle(found);
  if (entry?.isDirectory) return nodeOfEntry(entry);
  return file && nodeOfFile(file);
}

/** @param {File} file @returns {Node} */
function nodeOfFile(file) {
  const read = async () => ({ file, handle: null, inFolder: false });
  return { name: file.name, isFolder: false, read, children: async () => [] };
}

/** @param {any} handle   A `FileSystemHandle`. @returns {Node} */
function nodeOfHandle(handle) {
  return {
    name: handle.name,
    isFolder: handle.kind === "directory",
    read: async () => ({ file: await handle.getFile(), handle, inFolder: false }),
    async children() {
      /** @type {Node[]} */ const nodes = [];
      for await (const child of handle.values()) nodes.push(nodeOfHandle(child));
      return nodes;
    },
  };
}

/** @param {any} entry   A `FileSystemEntry`. @returns {Node} */
function nodeOfEntry(entry) {
  return {
    name: entry.name,
    isFolder: entry.isDirectory,
    async read() {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      return { file, handle: null, inFolder: false };
    },
    async children() {
      const reader = entry.createReader();
      /** @type {Node[]} */ const nodes = [];
      for (;;) {
        /** @type {any[]} */ const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (some.length === 0) return nodes; // each call returns at most a hundred
        nodes.push(...some.map(nodeOfEntry));
      }
    },
  };
}

/** @param {Map<string, any>} tree @returns {Node[]} */
function nodesOfTree(tree) {
  return [...tree].map(([key, value]) => {
    if (value instanceof File) return nodeOfFile(value);
    return { ...nodeOfFile(new File([], key.slice(0, -1))), isFolder: true, children: async () => nodesOfTree(value) };
  });
}

// --- the walk -------------------------------------------------------------------------------------------------------

class LargeFolder extends Error {}

/** @returns {Given} */
function nothing() {
  return { files: [], hidden: [], emptyFolders: [], largeFolders: [], deepFolders: [], unreadable: [] };
}

/** @param {(Node | null)[]} nodes @returns {Promise<Given>} */
async function collect(nodes) {
  const given = nothing();
  for (const node of nodes) {
    if (node?.isFolder) await addFolder(given, node);
    else if (node) await addFile(given, node, false);
  }
  return given;
}

/** @param {Given} given @param {Node} folder */
async function addFolder(given, folder) {
  const found = nothing();
  try {
    await walk(found, folder, 0);
  } catch (error) {
    if (!(error instanceof LargeFolder)) throw error;
    return void given.largeFolders.push(folder.name);
  }
  const isEmpty = Object.values(found).every((list) => list.length === 0);
  if (isEmpty) found.emptyFolders.push(folder.name);
  for (const key of /** @type {(keyof Given)[]} */ (Object.keys(given))) {
    given[key].push(.../** @type {any[]} */ (found[key]));
  }
}

/** @param {Given} found @param {Node} folder @param {number} depth */
async function walk(found, folder, depth) {
  const children = await folder.children().catch(() => null);
  if (!children) return void found.unreadable.push(folder.name);
  const order = new Intl.Collator(undefined, { numeric: true });
  for (const child of children.sort((one, other) => order.compare(one.name, other.name))) {
    if (isHidden(child.name)) found.hidden.push(child.name);
    else if (!child.isFolder) await addFile(found, child, true);
    else if (depth >= MAX_DEPTH) found.deepFolders.push(child.name);
    else await walk(found, child, depth + 1);
    if (found.files.length > MAX_FILES) throw new LargeFolder();
  }
}

/** @param {Given} given @param {Node} node @param {boolean} inFolder */
async function addFile(given, node, inFolder) {
  const read = await node.read().catch(() => null);
  if (read) given.files.push({ ...read, inFolder });
  else given.unreadable.push(node.name);
}
