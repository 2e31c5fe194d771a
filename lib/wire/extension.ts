/**
 * What sandbox-rx adds to calls of coreweave.sandbox.v1, by names that others ignore: the messages are those of
 * `proto/sandboxrx/v1`.
 */
export const Extension = {
  /** Response metadata of every call: the other end is a host of ours. */
  mark: 'sandboxrx-version',
  /**
   * Trailing metadata of StreamExec whose last frame is an error: the `google.rpc.Status` that tells which. The status of
   * the call itself would overtake output that the client has not read yet.
   */
  failure: 'sandboxrx-failure-bin',
  /** Request metadata of CreateSandbox: a `SandboxOptions`. */
  sandbox: 'sandboxrx-sandbox-bin',
  /** Request metadata of StreamExec: a `RunOptions`. */
  run: 'sandboxrx-run-bin',
  /** Trailing metadata of StreamExec: a `RunEnd`. */
  end: 'sandboxrx-end-bin',
  /**
   * Request metadata of Create- and DeleteSandbox: to answer when it is done; after a deletion, and of what could not be
   * made, no record is left.
   */
  settle: 'sandboxrx-settle',
  /** Request metadata of GetFileSystemSnapshot: of one that could not be taken, to answer with the error. */
  explain: 'sandboxrx-explain',
  /**
   * Request metadata of StreamLogs: to count `next_log_offset` from the begin of the log and not of the session, and to jump
   * over what is not kept any more, so that it tells how much that is.
   */
  wholeLog: 'sandboxrx-whole-log',
} as const;

/** The value of {@link Extension.mark}. */
export const extensionVersion = '1';
