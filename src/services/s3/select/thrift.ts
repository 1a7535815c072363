// Messages of Thrift's compact protocol, looked through before they are read: a byte of them may make an object, and they may
// lie in each other as deep as they like. A pure engine.

const deepest = 64
/** What holds others; all other types are read by their lengths. */
const [list, set, struct] = [9, 10, 12]

/** Throws a RangeError for more than `most` values, for what lies too deep, and for what does not end in these bytes. */
export const checkThrift = (bytes: Buffer, most: number): void => {
  let at = 0
  let count = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at)
      at += 1
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
      if (shift > 63) throw new RangeError('no number is that long')
    }
  }
  const value = (type: number, depth: number, inList: boolean): void => {
    count += 1
    if (count > most || depth > deepest) throw new RangeError('too many values, or too deep')
    switch (type) {
      case 1:
      case 2:
        if (inList) at += 1
        return
      case 3:
        at += 1
        return
      case 4:
      case 5:
      case 6:
        varint()
        return
      case 7:
        at += 8
        return
      case 8: {
        const length = varint()
        at += length
        return
      }
      case list:
      case set: {
        const header = bytes.readUInt8(at)
        at += 1
        const length = header >> 4 === 15 ? varint() : header >> 4
        for (let left = length; left > 0; left -= 1) value(header & 0x0f, depth + 1, true)
        return
      }
      case struct:
        fields(depth + 1)
        return
      default:
        throw new RangeError('no such type')
    }
  }
  const fields = (depth: number): void => {
    for (;;) {
      const header = bytes.readUInt8(at)
      at += 1
      if ((header & 0x0f) === 0) return
      if (header >> 4 === 0) varint()
      value(header & 0x0f, depth, false)
    }
  }
  fields(0)
}
