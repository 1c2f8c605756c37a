/** A transfer that cannot go on; `code` is one of the protocol's. */
export class TransferFault extends Error {
  constructor(
    readonly code: string,
    detail: string,
    readonly file?: number,
  ) {
    super(detail);
    this.name = 'TransferFault';
  }
}
