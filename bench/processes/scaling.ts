// What throughput on few cores says of more processes, when load and service need those cores too.

/** Of one number of processes, over one or more rounds. */
export interface Usage {
  readonly requests: number
  /** Of wall time. */
  readonly seconds: number
  /** Seconds of processor time of each of the proxy's processes that forward. */
  readonly proxies: readonly number[]
  /** Seconds of processor time of all else that a request needs: the load generator and the service. */
  readonly rest: number
}

export interface Scaling {
  /** Requests a second, many by one. */
  readonly throughput: number
  /** The most that ratio can be on so many cores, when all of them are always busy and a request is no dearer. */
  readonly possible: number
  /** Requests for a second of the proxy's own processor time, many by one: 1 when a request is no dearer. */
  readonly efficiency: number
  /** Requests a second, many by one, where each process has a core and the load has others: by processor time. */
  readonly projected: number
  /** The busiest process's share of the work, times an equal share: 1 when all do the same. */
  readonly imbalance: number
}

/** @param cores that everything shares @param processes of the many */
export function scalingOf(one: Usage, many: Usage, cores: number, processes: number): Scaling {
  const costOf = ({ proxies, requests }: Usage) => sum(proxies) / requests
  const throughput = many.requests / many.seconds / (one.requests / one.seconds)
  const all = costOf(one) + one.rest / one.requests
  const efficiency = costOf(one) / costOf(many)
  const imbalance = Math.max(...many.proxies) / (sum(many.proxies) / processes)
  return {
    throughput,
    possible: Math.min(processes, cores / all / (one.requests / one.seconds)),
    efficiency,
    // The busiest is full first, and the others then have less to do than they could.
    projected: (processes * efficiency) / imbalance,
    imbalance
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
