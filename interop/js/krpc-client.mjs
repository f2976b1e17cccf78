// A real k-rpc client for Go tests: it walks a network towards a target and says whom it met.
//
//   node krpc-client.mjs --bootstrap 127.1.2.3:4000,... --k 64
//
// k is how many candidates next to the target a walk must have asked before it ends. The first line
// of output is {"ready": [{"addr", "id"}]}, the client itself; then:
//
//   closest {target} -> {count, visited: [{"addr", "id"}, ...]}
//   quit
//
// Each walk starts with an empty table. count is k-rpc's own count of good replies.

import { parseArgs } from 'node:util'
import krpc from 'k-rpc'
import { hex, say, serve } from './lines.mjs'

const { values: flags } = parseArgs({
  options: {
    bootstrap: { type: 'string' },
    k: { type: 'string', default: '20' }
  }
})

const client = krpc({ bootstrap: flags.bootstrap.split(','), k: Number(flags.k) })
await new Promise(resolve => client.bind(0, '127.0.0.1', resolve))
const { address, port } = client.address()
say({ ready: [{ addr: `${address}:${port}`, id: hex(client.id) }] })

await serve({
  closest ({ target }) {
    client.clear()
    return walk(Buffer.from(target, 'hex'))
  }
})

function walk (target) {
  const visited = []
  const visit = ({ r }, from) => {
    visited.push({ addr: `${from.address ?? from.host}:${from.port}`, id: hex(r.id ?? []) })
  }
  return new Promise((resolve, reject) => {
    client.closest(target, { q: 'find_node', a: { target } }, visit,
      (err, count) => err ? reject(err) : resolve({ count, visited }))
  })
}
