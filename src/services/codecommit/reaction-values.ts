// The reactions there are (CodeCommit user guide, "To reply to a comment on a commit with an emoji"): pure.

export type Reaction = { readonly emoji: string; readonly shortCode: string; readonly unicode: string }

const named: Readonly<Record<string, number>> = {
  thumbsup: 0x1f44d,
  thumbsdown: 0x1f44e,
  smile: 0x1f604,
  heart: 0x2764,
  angry: 0x1f620,
  confused: 0x1f615,
  scream: 0x1f631,
  sob: 0x1f62d,
  clap: 0x1f44f,
  confetti_ball: 0x1f38a,
  ship: 0x1f6a2,
  eyes: 0x1f440,
}

const reactions: readonly Reaction[] = Object.entries(named).map(([name, point]) => ({
  emoji: String.fromCodePoint(point),
  shortCode: `:${name}:`,
  unicode: `U+${point.toString(16).toUpperCase()}`,
}))

/** What a value stands for: an emoji, its short code or its code point; `'none'` takes a reaction back; `undefined`: there is no such. */
export const readReaction = (value: string): Reaction | 'none' | undefined => {
  // Emojis may come with the selector that asks for their coloured form.
  const plain = value.trim().replace(/\ufe0f$/u, '')
  if (plain === '' || ['none', ':none:', 'null', 'u+0000'].includes(plain.toLowerCase())) return 'none'
  const bare = plain.toLowerCase().replace(/^:|:$/g, '')
  return reactions.find(
    ({ emoji, shortCode, unicode }) =>
      emoji === plain || shortCode === `:${bare}:` || unicode.toLowerCase() === plain.toLowerCase(),
  )
}

export const reactionOf = (shortCode: string): Reaction | undefined =>
  reactions.find((reaction) => reaction.shortCode === shortCode)

/** A reaction as GetCommentReactions tells it: its short code has no colons there, in events it has. */
export const toReaction = ({ shortCode, ...rest }: Reaction): Reaction => ({
  ...rest,
  shortCode: shortCode.replaceAll(':', ''),
})

/** The name under which comments count a reaction: `THUMBSUP`. */
export const countName = (shortCode: string): string => shortCode.replaceAll(':', '').toUpperCase()
