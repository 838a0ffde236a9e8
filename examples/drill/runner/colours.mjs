const shown = process.stdout.isTTY === true && !process.env.NO_COLOR

const painted = (code) => (text) => (shown ? `\x1b[${code}m${text}\x1b[0m` : text)

export const bold = painted(1)
export const dim = painted(2)
export const red = painted(31)
