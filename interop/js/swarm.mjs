// Starts a network of real bittorrent-dht nodes on loopback and puts them at a Go test's disposal.
//
//   node swarm.mjs --nodes 30 --net 61 [--bootstrap 127.1.2.3:4000]
//
// Node i listens on 127.NET.i.1, so that each has an address and a /24 of its own. Their ids
// depend on NET and i only. The first line of output is {"ready": [{"addr", "id"}, ...]}; then:
//
//   announce {node, infoHash, port} -> {stored}         nodes that took it; port 0: implied
//   lookup   {node, infoHash}       -> {peers, replied} every peer once, as "ip:port"
//   kill     {nodes: [i, ...]}      -> {}               their sockets are closed without a word
//   quit

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { Client as DHT } from 'bittorrent-dht'
import { hex, say, serve } from './lines.mjs'

const { values: flags } = parseArgs({
  options: {
    nodes: { type: 'string', default: '30' },
    net: { type: 'string', default: '61' },
    bootstrap: { type: 'string' }
  }
})

const nodes = []
for (let i = 0; i < Number(flags.nodes); i++) nodes.push(await join(i))
say({ ready: nodes.map(node => ({ addr: addressOf(node), id: hex(node.nodeId) })) })

await serve({
  async announce ({ node, infoHash, port }) {
    return { stored: await call(done => nodes[node].announce(infoHash, port, done)) }
  },

  async lookup ({ node, infoHash }) {
    const peers = new Set()
    const collect = (peer, hash) => { if (hex(hash) === infoHash) peers.add(`${peer.host}:${peer.port}`) }
    nodes[node].on('peer', collect)
    try {
      const replied = await call(done => nodes[node].lookup(infoHash, done))
      return { peers: [...peers], replied }
    } finally {
      nodes[node].off('peer', collect)
    }
  },

  async kill ({ nodes: indices }) {
    await Promise.all(indices.map(i => call(done => nodes[i].destroy(done))))
    return {}
  }
})

// Each node joins through the first, one after the other: the tables then do not depend on timing.
// listen has to be called before the constructor's bootstrap runs, on the next tick.
async function join (i) {
  const node = new DHT({
    nodeId: createHash('sha1').update(`dhtkit interop ${flags.net}/${i}`).digest(),
    bootstrap: flags.bootstrap ?? (i === 0 ? false : addressOf(nodes[0]))
  })
  node.listen(0, `127.${flags.net}.${i}.1`)
  await once(node, 'ready')
  if (!node.listening) await once(node, 'listening')
  return node
}

function addressOf (node) {
  const { address, port } = node.address()
  return `${address}:${port}`
}

function call (start) {
  return new Promise((resolve, reject) => start((err, value) => err ? reject(err) : resolve(value)))
}
