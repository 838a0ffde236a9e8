import type { WireCase } from '../case.js'
import { connectionCases } from './connections.js'
import { framingCases } from './framing.js'
import { headCases } from './heads.js'
import { hopByHopCases } from './hop-by-hop.js'
import { hostCases } from './hosts.js'
import { http10Cases } from './http10.js'
import { pathCases } from './paths.js'
import { trustCases } from './trust.js'
import { uploadCases } from './uploads.js'
import { upstreamCases } from './upstreams.js'

export interface Group {
  readonly title: string
  readonly cases: readonly WireCase[]
}

export const groups: readonly Group[] = [
  { title: 'Framing of requests', cases: framingCases },
  { title: 'Heads and limits', cases: headCases },
  { title: 'Hosts', cases: hostCases },
  { title: 'Paths', cases: pathCases },
  { title: 'Hop-by-hop fields', cases: hopByHopCases },
  { title: 'Trust', cases: trustCases },
  { title: 'Connections', cases: connectionCases },
  { title: 'Clients of HTTP/1.0', cases: http10Cases },
  { title: 'Uploads', cases: uploadCases },
  { title: 'Upstreams that break the rules', cases: upstreamCases }
]

export const allCases: readonly WireCase[] = groups.flatMap(({ cases }) => cases)
