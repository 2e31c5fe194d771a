/** What a host is called as the runner of its sandboxes. */
export const runner = { runnerId: 'local', runnerGroupId: 'sandbox-rx' } as const;
