/** A file of text as it was read once: whoever else is to take up the same is given this, whatever the file holds by then. */
export class FileText {
  readonly file: string
  readonly text: string

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
  }
}
