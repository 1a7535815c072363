import { filtered, page } from './filters.ts'
import { fail, type Operation } from './operation.ts'

/** Virtual CPUs and memory of the types this host offers ("Amazon EC2 instance types"). */
export const instanceTypes: Readonly<Record<string, { readonly cpus: number; readonly memoryMiB: number }>> = {
  't2.nano': { cpus: 1, memoryMiB: 512 },
  't2.micro': { cpus: 1, memoryMiB: 1024 },
  't2.small': { cpus: 1, memoryMiB: 2048 },
  't2.medium': { cpus: 2, memoryMiB: 4096 },
  't3.nano': { cpus: 2, memoryMiB: 512 },
  't3.micro': { cpus: 2, memoryMiB: 1024 },
  't3.small': { cpus: 2, memoryMiB: 2048 },
  't3.medium': { cpus: 2, memoryMiB: 4096 },
  't3.large': { cpus: 2, memoryMiB: 8192 },
  'm5.large': { cpus: 2, memoryMiB: 8192 },
  'm5.xlarge': { cpus: 4, memoryMiB: 16_384 },
}

export const checkType = (type: string): void => {
  if (!Object.hasOwn(instanceTypes, type))
    throw fail('InvalidParameterValue', `Invalid value '${type}' for InstanceType.`)
}

export const DescribeInstanceTypes: Operation<'DescribeInstanceTypes'> = (
  _ctx,
  { InstanceTypes, Filters, MaxResults, NextToken },
) => {
  for (const type of InstanceTypes ?? [])
    if (!Object.hasOwn(instanceTypes, type))
      throw fail('InvalidInstanceType', `The following supplied instance types do not exist: [${type}]`)
  const chosen = Object.entries(instanceTypes).filter(
    ([type]) => !InstanceTypes?.length || InstanceTypes.some((asked) => asked === type),
  )
  const rows = filtered(
    chosen,
    Filters,
    ['instance-type', 'vcpu-info.default-vcpus', 'memory-info.size-in-mib'],
    ([type, { cpus, memoryMiB }]) => ({
      facts: {
        'instance-type': type,
        'vcpu-info.default-vcpus': String(cpus),
        'memory-info.size-in-mib': String(memoryMiB),
      },
      tags: {},
    }),
  )
  const { page: cut, ...more } = page(rows, MaxResults, NextToken)
  return {
    InstanceTypes: cut.map(([type, { cpus, memoryMiB }]) => ({
      InstanceType: type as never,
      CurrentGeneration: !type.startsWith('t2'),
      BareMetal: false,
      VCpuInfo: { DefaultVCpus: cpus },
      MemoryInfo: { SizeInMiB: memoryMiB },
      ProcessorInfo: { SupportedArchitectures: [hostArchitecture()] },
    })),
    ...more,
  }
}

export const hostArchitecture = (): 'arm64' | 'x86_64' => (process.arch === 'arm64' ? 'arm64' : 'x86_64')
