import { type Path, putKey, valueAt } from './path.js'

/** Entries of one piece. */
const PIECE = 100

/** Some of the entries of a list or an object that is too large to be handed over in one go. */
export interface Piece {
  readonly at: Path
  readonly entries: readonly (readonly [key: PropertyKey, value: unknown])[]
}

/**
 * Takes a tree apart, so that no part of it has more than some hundred entries.
 *
 * @returns the tree without them, and the pieces in the order in which `addPiece` wants them
 */
export function piecesOf(tree: unknown): { root: unknown; pieces: readonly Piece[] } {
  const pieces: Piece[] = []
  return { root: carve(tree, [], pieces), pieces }
}

function carve(value: unknown, at: Path, pieces: Piece[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  const entries: (readonly [PropertyKey, unknown])[] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value)
  const within: Piece[] = []
  const carved = entries.map(([key, item]) => [key, carve(item, [...at, key], within)] as const)
  const rest = Array.isArray(value) ? [] : {}
  if (carved.length <= PIECE) {
    for (const [key, item] of carved) putKey(rest, key, item)
  } else {
    for (let from = 0; from < carved.length; from += PIECE)
      pieces.push({ at, entries: carved.slice(from, from + PIECE) })
  }
  // A list is there before what is in it.
  for (const piece of within) pieces.push(piece)
  return rest
}

/** Puts a piece in its place. */
export function addPiece(root: unknown, { at, entries }: Piece): void {
  const target = valueAt(root, at) as Record<PropertyKey, unknown>
  for (const [key, value] of entries) putKey(target, key, value)
}
