// What a person dropped, pasted or picked, as a list of files with the paths under which they are sent.

import { collisionKey, numbered, sendablePath } from './paths';

export interface ChosenFile {
  /** As it is on the disk, relative to what was chosen. */
  path: string;
  content: File;
}

export interface Chosen {
  files: ChosenFile[];
  /** Folders without any file in them: nothing of them is sent. */
  emptyFolders: number;
}

/** Picked by an input; a folder's files carry their path. */
export function fromInput(files: Iterable<File>): Chosen {
  return {
    files: [...files].map((content) => ({ path: content.webkitRelativePath || content.name, content })),
    emptyFolders: 0,
  };
}

/** Dropped: files, and folders with everything in them. */
export async function fromDrop(entries: readonly (FileSystemEntry | File)[]): Promise<Chosen> {
  const chosen: Chosen = { files: [], emptyFolders: 0 };
  const visit = async (entry: FileSystemEntry): Promise<void> => {
    if (entry.isFile) {
      const content = await new Promise<File>((resolve, reject) =>
        (entry as FileSystemFileEntry).file(resolve, reject),
      );
      chosen.files.push({ path: entry.fullPath.replace(/^\//, ''), content });
      return;
    }
    const children = await childrenOf(entry as FileSystemDirectoryEntry);
    if (children.length === 0) chosen.emptyFolders++;
    for (const child of children) await visit(child);
  };
  for (const entry of entries) {
    if (entry instanceof File) chosen.files.push({ path: entry.name, content: entry });
    else await visit(entry);
  }
  return chosen;
}

/** A reader gives a folder's entries in several parts. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** Paths that every receiver takes: safe ones, and no two that are one on some disk. */
export function sendable(files: readonly ChosenFile[]): ChosenFile[] {
  const taken = new Set<string>();
  return files.map(({ path, content }) => {
    const wanted = sendablePath(path);
    const slash = wanted.lastIndexOf('/') + 1;
    const at = (number: number) => wanted.slice(0, slash) + numbered(wanted.slice(slash), number);
    let number = 0;
    while (taken.has(collisionKey(at(number)))) number++;
    taken.add(collisionKey(at(number)));
    return { path: at(number), content };
  });
}

/** The one folder that everything is in, else the first file. */
export function titleOf(files: readonly { path: string }[]): string {
  const first = files[0]?.path ?? '';
  const top = first.slice(0, first.indexOf('/') + 1);
  return top !== '' && files.every(({ path }) => path.startsWith(top)) ? top.slice(0, -1) : first;
}
