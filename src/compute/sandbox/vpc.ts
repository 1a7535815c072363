import type { Logger } from '../../kernel/context.ts'
import type { Attachment, Door, TaskSpec } from '../driver.ts'
import type { ProcessId } from './host.ts'
import type { Found } from './probe.ts'
export class Vpcs {
  static readonly endpoint = 'http://169.254.170.1:4566'
  constructor(_: { folder: string; door: Door | undefined; log: Logger | undefined; host: () => Promise<Found> }) {}
  async plug(_: TaskSpec, __: Attachment): Promise<{ enter: string[]; lines: string[] }> {
    throw new Error('x')
  }
  async joined(_: TaskSpec) {}
  left(_: TaskSpec) {}
  async admit(_: TaskSpec, __: ProcessId) {}
  async removeAll() {}
  async close() {}
}
