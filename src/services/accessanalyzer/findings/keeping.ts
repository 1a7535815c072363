import type { WriteTx } from '../../../store/store.ts'
import { findingEvent } from './events.ts'
import { AnalyzedResources, type Finding, Findings, findingsOf } from './finding.ts'

/** Keeps a finding, and tells of it where it is new or its status another. */
export const keepFinding = (tx: WriteTx, finding: Finding, before?: Finding): void => {
  tx.put(Findings, finding)
  if (finding.status !== before?.status) tx.emit(findingEvent(finding, { previous: before?.status }))
}

export const dropFinding = (tx: WriteTx, finding: Finding): void => {
  tx.delete(Findings, Findings.key(finding))
  tx.emit(findingEvent(finding, { deleted: true }))
}

/** All findings of an analyzer that goes. */
export const deleteFindings = async (tx: WriteTx, analyzer: string): Promise<void> => {
  for (const finding of await findingsOf(tx, analyzer)) dropFinding(tx, finding)
  for (const one of await tx.list(AnalyzedResources, { prefix: `${analyzer} ` }))
    tx.delete(AnalyzedResources, AnalyzedResources.key(one))
}
