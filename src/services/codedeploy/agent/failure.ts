/** Error codes of a lifecycle event's diagnostics ("Diagnostics", CodeDeploy API reference). */
export type FailureCode = 'ScriptMissing' | 'ScriptNotExecutable' | 'ScriptTimedOut' | 'ScriptFailed' | 'UnknownError'

/** A command that failed, with what the deployment shows of it. */
export class CommandFailure extends Error {
  readonly code: FailureCode
  readonly scriptName: string
  readonly log: string
  constructor(code: FailureCode, message: string, scriptName = '', log = '') {
    super(message)
    this.code = code
    this.scriptName = scriptName
    this.log = log
  }
}
