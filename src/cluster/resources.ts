/** What pods ask for and nodes have. Pure. */

export interface Resources {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Ephemeral storage, huge pages, GPUs and whatever else is counted, by the name of Kubernetes, in its own unit. */
  readonly others: Readonly<Record<string, number>>;
}

/** Shared, because hardly any pod asks for more than CPU and memory. */
export const noOthers: Resources['others'] = {};
