import type { WriteTx } from '../../store/store.ts'
import type { BatchRecord } from './batch.ts'
import type { BuildRecord } from './build.ts'
import { isGit } from './project.ts'

// When a source's provider is told of builds and batches (`build-status.ts` tells it).

export const statusReconciler = 'codebuild.status'

/** Whether the provider is to be told. Of what its own event started it always is. */
const isReported = ({ source, webhook }: Pick<BuildRecord, 'source' | 'webhook'>): boolean =>
  isGit(source.type) && (source.reportBuildStatus === true || webhook !== undefined)

/** Builds of a batch speak for themselves only where the batch does not speak for them. */
export const speaksAlone = (config: BatchRecord['config']): boolean =>
  config.batchReportMode === 'REPORT_INDIVIDUAL_BUILDS'

/** Has the provider told what has become of a build: once its commit is known, and when it has ended. */
export const reportBuild = (tx: WriteTx, before: BuildRecord | undefined, after: BuildRecord): void => {
  const began = after.resolvedSourceVersion !== before?.resolvedSourceVersion
  const ended = after.ended !== undefined && before?.ended === undefined
  if ((began || ended) && isReported(after)) tx.wake(statusReconciler, after.id)
}

/** Has the provider told how a batch stands. Returns it. */
export const reportBatch = (tx: WriteTx, batch: BatchRecord): BatchRecord => {
  if (isReported(batch.settings) && !speaksAlone(batch.config)) tx.wake(statusReconciler, batch.id)
  return batch
}
