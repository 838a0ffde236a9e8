// nginx and HAProxy, each with one thread, as a candidate of any scenario.
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import type { Candidate } from './candidates.js'
import { has } from './machine.js'
import type { Stage } from './stage.js'

/** What a proxy is spoken to in, and what it speaks to its service. */
export interface Way {
  readonly inbound: 'http1' | 'http2'
  readonly outbound: 'http1' | 'http2' | 'websocket'
}

const FORWARDS = {
  http1: 'proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";',
  // nginx 1.22 speaks HTTP/2 to a service for gRPC alone, and then whatever it is asked.
  http2: 'grpc_pass grpc://app;',
  websocket:
    'proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;'
} as const

export function nginx({ inbound, outbound }: Way): Candidate {
  return {
    name: 'nginx',
    label: outbound === 'http2' ? 'nginx, one process, grpc_pass' : 'nginx, one process',
    missing: has('nginx') ? undefined : 'nginx is not installed',
    async command(stage) {
      const port = await freePort()
      const servers = hosts(stage).map((host) => `server ${host};`)
      const file = join(stage.directory, 'nginx.conf')
      const { secure } = stage
      const tls =
        secure === undefined ? '' : `ssl_certificate ${secure.cert}; ssl_certificate_key ${secure.key};`
      const ways = `${inbound === 'http2' ? ' http2' : ''}${secure === undefined ? '' : ' ssl'}`
      writeFileSync(
        file,
        `daemon off; master_process off; pid ${stage.directory}/nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${stage.directory}/body; proxy_temp_path ${stage.directory}/proxy;
  fastcgi_temp_path ${stage.directory}/f; uwsgi_temp_path ${stage.directory}/u; scgi_temp_path ${stage.directory}/s;
  keepalive_requests 1000000000; client_max_body_size 0;
  # Bodies pass by as they come, as with the others, and not by way of a file.
  proxy_request_buffering off; proxy_max_temp_file_size 0;
  upstream app { ${servers.join(' ')} keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096${ways}; ${tls}
    location / { ${FORWARDS[outbound]} }
  }
}
`
      )
      return {
        name: 'nginx',
        file: 'nginx',
        args: ['-p', stage.directory, '-c', file],
        port,
        secure: secure !== undefined
      }
    }
  }
}

export function haproxy({ inbound, outbound }: Way): Candidate {
  return {
    name: 'haproxy',
    label: 'HAProxy, one thread',
    missing: has('haproxy') ? undefined : 'HAProxy is not installed',
    async command(stage) {
      const port = await freePort()
      const { secure } = stage
      const pem = join(stage.directory, 'haproxy.pem')
      if (secure !== undefined)
        writeFileSync(pem, readFileSync(secure.cert, 'utf8') + readFileSync(secure.key, 'utf8'))
      const ways = `${inbound === 'http2' ? ' proto h2' : ''}${secure === undefined ? '' : ` ssl crt ${pem}`}`
      const protocol = outbound === 'http2' ? ' proto h2' : ''
      const servers = hosts(stage).map((host, at) => `  server s${at} ${host}${protocol}`)
      const file = join(stage.directory, 'haproxy.cfg')
      writeFileSync(
        file,
        `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  http-reuse always
frontend inbound
  bind 127.0.0.1:${port} backlog 4096${ways}
  default_backend app
backend app
${servers.join('\n')}
`
      )
      return {
        name: 'haproxy',
        file: 'haproxy',
        args: ['-db', '-f', file],
        port,
        secure: secure !== undefined
      }
    }
  }
}

function hosts(stage: Stage): string[] {
  return [...stage.upstream.urls.values()].map((url) => new URL(url).host)
}

/** A port of loopback that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
