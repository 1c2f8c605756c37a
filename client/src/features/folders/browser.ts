// Questions about a shared folder and their answers: lists, finds, previews, one session for all of them.

import type { FolderEntry, Frame } from '../../protocol/frames';
import type { Share } from '../../protocol/generated/Share';
import { type Failure, type FolderDeps, FolderLink } from './folderLink';

export class FolderFailure extends Error {
  constructor(
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

export interface Listing {
  entries: FolderEntry[];
  more: boolean;
}

export interface Preview {
  mediaType: string;
  content: Blob;
  more: boolean;
}

interface Question {
  listing: Listing;
  preview: { mediaType: string; size: number; more: boolean } | undefined;
  parts: Uint8Array<ArrayBuffer>[];
  got: number;
  answer: (answer: Listing | Preview) => void;
  fail: (error: Error) => void;
}

export interface BrowserEvents {
  opened: (drop: boolean) => void;
  changed: (path: string) => void;
  end: (failure: Failure) => void;
}

export class FolderBrowser {
  private readonly link: FolderLink;
  private readonly open = new Map<number, Question>();
  private next = 1;

  constructor(deps: FolderDeps, roomId: string, share: Share, events: BrowserEvents) {
    this.link = new FolderLink(
      deps,
      roomId,
      share,
      { act: 'browse', paths: undefined, path: undefined, size: undefined, count: undefined },
      {
        opened: ({ drop }) => events.opened(drop),
        frame: (frame) => {
          if (frame.type === 'FOLDER_CHANGED') events.changed(frame.path);
          else this.take(frame);
        },
        end: (failure) => {
          this.failAll(failure);
          events.end(failure);
        },
      },
    );
  }

  list(path: string): Promise<Listing> {
    return this.ask((id) => ({ type: 'FOLDER_LIST', id, path })) as Promise<Listing>;
  }

  search(path: string, text: string): Promise<Listing> {
    return this.ask((id) => ({ type: 'FOLDER_SEARCH', id, path, text })) as Promise<Listing>;
  }

  preview(path: string): Promise<Preview> {
    return this.ask((id) => ({ type: 'FOLDER_PREVIEW', id, path })) as Promise<Preview>;
  }

  close(): void {
    this.failAll({ code: 'DONE', detail: '' });
    this.link.close();
  }

  private ask(frame: (id: number) => Frame): Promise<Listing | Preview> {
    const id = this.next++;
    return new Promise((answer, fail) => {
      const listing = { entries: [], more: false };
      this.open.set(id, { listing, preview: undefined, parts: [], got: 0, answer, fail });
      this.link.send(frame(id));
    });
  }

  private take(frame: Frame): void {
    if (!('id' in frame)) return;
    const question = this.open.get(frame.id);
    if (!question) return;
    switch (frame.type) {
      case 'FOLDER_ENTRIES':
        question.listing.entries.push(...frame.entries);
        question.listing.more ||= frame.more;
        if (frame.last) this.settle(frame.id, question.listing);
        return;
      case 'FOLDER_PREVIEWED':
        question.preview = { mediaType: frame.media_type, size: frame.size, more: frame.more };
        this.previewed(frame.id, question);
        return;
      case 'FOLDER_DATA':
        question.parts.push(frame.bytes.slice());
        question.got += frame.bytes.length;
        this.previewed(frame.id, question);
        return;
      case 'FOLDER_FAILED':
        this.open.delete(frame.id);
        question.fail(new FolderFailure(frame.code, frame.detail));
        return;
    }
  }

  private previewed(id: number, { preview, parts, got }: Question): void {
    if (!preview || got < preview.size) return;
    const { mediaType, more } = preview;
    this.settle(id, { mediaType, content: new Blob(parts, { type: mediaType }), more });
  }

  private settle(id: number, answer: Listing | Preview): void {
    this.open.get(id)?.answer(answer);
    this.open.delete(id);
  }

  private failAll({ code, detail }: Failure): void {
    for (const question of this.open.values()) question.fail(new FolderFailure(code, detail));
    this.open.clear();
  }
}
