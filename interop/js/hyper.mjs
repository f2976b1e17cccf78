// Real nodes of hyperdht on loopback, at a Go test's disposal.
//
//   node hyper.mjs
//
// The first line of output is {"ready": []}; then:
//
//   create       {addrs, bootstrap, ephemeral}     -> {first, nodes: [{"addr", "id"}, ...]}
//   announce     {node, target, seed}              -> {closest: [addr, ...], errors}
//   lookup       {node, target}                    -> {keys: [hex, ...], replies, errors}
//   mutablePut   {node, seed, value, version}      -> {key, closest: [addr, ...]}
//   mutableGet   {node, key}                       -> {value, version}
//   immutablePut {node, value}                     -> {hash, closest: [addr, ...]}
//   immutableGet {node, hash}                      -> {value}
//   connect      {node, to, seed, text}            -> {text}   what comes back from a server at node to that sends back all it gets
//   quit
//
// Nodes are numbered in the order in which they were created: one after the other at addrs ("host:port"), each ready
// before the next begins. Byte strings are hex, null is none. seed makes a key pair; keys are each one that a lookup found, once.

import { once } from 'node:events'
import DHT from 'hyperdht'
import { hex, say, serve } from './lines.mjs'

const nodes = []
say({ ready: [] })

await serve({
  async create ({ addrs, bootstrap, ephemeral }) {
    const first = nodes.length
    for (const addr of addrs) {
      const opts = ephemeral ? { ephemeral } : { ephemeral: false, firewalled: false }
      const node = new DHT({ ...endpoint(addr), ...opts, anyPort: false, bootstrap: bootstrap.map(endpoint) })
      nodes.push(node)
      await node.fullyBootstrapped()
    }
    return { first, nodes: nodes.slice(first).map((node, i) => ({ addr: addrs[i], id: node.id ? hex(node.id) : '' })) }
  },

  async announce ({ node, target, seed }) {
    const query = nodes[node].announce(bytes(target), DHT.keyPair(bytes(seed)))
    await query.finished()
    return { closest: query.closestNodes.map(address), errors: query.errors }
  },

  async lookup ({ node, target }) {
    const query = nodes[node].lookup(bytes(target))
    const keys = new Set()
    let replies = 0
    for await (const { peers } of query) {
      replies++
      for (const { publicKey } of peers) keys.add(hex(publicKey))
    }
    return { keys: [...keys], replies, errors: query.errors }
  },

  async mutablePut ({ node, seed, value, version }) {
    const { publicKey, closestNodes } = await nodes[node].mutablePut(DHT.keyPair(bytes(seed)), bytes(value), { seq: version })
    return { key: hex(publicKey), closest: closestNodes.map(address) }
  },

  async mutableGet ({ node, key }) {
    const found = await nodes[node].mutableGet(bytes(key))
    return { value: found && hex(found.value), version: found?.seq }
  },

  async immutablePut ({ node, value }) {
    const { hash, closestNodes } = await nodes[node].immutablePut(bytes(value))
    return { hash: hex(hash), closest: closestNodes.map(address) }
  },

  async immutableGet ({ node, hash }) {
    const found = await nodes[node].immutableGet(bytes(hash))
    return { value: found && hex(found.value) }
  },

  async connect ({ node, to, seed, text }) {
    const keyPair = DHT.keyPair(bytes(seed))
    const server = nodes[to].createServer(socket => socket.on('error', () => {}).pipe(socket))
    await server.listen(keyPair)
    const socket = nodes[node].connect(keyPair.publicKey)
    socket.write(text)
    const [back] = await once(socket, 'data')
    socket.destroy()
    await server.close()
    return { text: back.toString() }
  }
})

function address ({ host, port }) {
  return `${host}:${port}`
}

function endpoint (addr) {
  const [host, port] = addr.split(':')
  return { host, port: Number(port) }
}

function bytes (text) {
  return Buffer.from(text, 'hex')
}
