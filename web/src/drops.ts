// Files and whole folders that are dropped, pasted or chosen.

import type { Given } from "./uploads.ts";

/** All files of a drop or a paste; folders are walked through. */
export async function filesOf(data: DataTransfer): Promise<Given[]> {
  // What lies in a DataTransfer is gone after the first await, so it is taken out before.
  const entries = [...data.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const found: Given[] = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push({ file: entry, name: entry.name });
    else if (entry) await walk(entry, "", found);
  }
  return found;
}

/** All files of `<input type="file">`. */
export function filesIn(list: FileList): Given[] {
  return [...list].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}

export function hasFiles(data: DataTransfer | null): boolean {
  return data?.types.includes("Files") ?? false;
}

async function walk(entry: FileSystemEntry, folder: string, found: Given[]): Promise<void> {
  if (entry instanceof FileSystemFileEntry || entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    if (file.name !== ".DS_Store") found.push({ file, name: folder + file.name });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader hands a folder out in parts, and an empty part at the end.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (part.length === 0) return;
    for (const each of part) await walk(each, `${folder}${entry.name}/`, found);
  }
}
