import { getInstance } from './instance.ts'
import type { Operation } from './operation.ts'

/** EC2 keeps the most recent 64 KB ("GetConsoleOutput", EC2 API reference). */
const kept = 64 * 1024

/** What the machine's init and user data have written, also of a machine that has stopped. Base64, the last 64 KB. */
export const GetConsoleOutput: Operation<'GetConsoleOutput'> = async (ctx, { InstanceId }) => {
  const instance = await ctx.read((tx) => getInstance(tx, InstanceId))
  const task = instance.handle && (await ctx.compute.attach(instance.handle))
  const output = task ? Buffer.concat(await Array.fromAsync(task.output(-kept, { follow: false }))) : Buffer.alloc(0)
  return { InstanceId, Timestamp: ctx.now(), Output: output.subarray(-kept).toString('base64') }
}
