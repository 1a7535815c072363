/** Metadata, or a change of them, that no table can have. The message is for the caller. */
export class InvalidMetadataError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'InvalidMetadataError'
  }
}
