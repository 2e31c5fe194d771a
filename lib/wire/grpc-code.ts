/** How a call ended. @see {@link https://grpc.io/docs/guides/status-codes/ | gRPC, Status Codes} */
export const GrpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** The status of a call that failed, as both ends see it. */
export interface CallStatus {
  /** One of {@link GrpcCode}, or a number that a later gRPC adds. */
  readonly code: number;
  readonly message: string;
  /** The value of the trailer {@link statusDetailsKey}. */
  readonly details?: Uint8Array | undefined;
}

/** The trailer that carries a `google.rpc.Status`. */
export const statusDetailsKey = 'grpc-status-details-bin';
