// Real nodes of dht-rpc 4 on loopback, at a Go test's disposal.
//
//   node legacy.mjs
//
// The first line of output is {"ready": []}; then:
//
//   create     {count, bootstrap, ephemeral, nat, kv} -> {nodes: [{"addr", "id"}, ...], first}
//   ready      {node}                               -> {}
//   serve      {node, command, query, update}       -> {}
//   run        {node, command, target, value, query, update} -> {replies: [{"type", "value", "addr", "id"}, ...], failed}
//   calls      {command}                            -> {query, update}     how often handlers were called, of all nodes
//   persistent {node}                               -> {}
//   nodes      {node}                               -> {nodes: [{"addr", "id"}, ...]}
//   addNodes   {node, nodes}                        -> {}
//   holepunch  {node, peer, referrer}               -> {failed}
//   punches    {node}                               -> {punches: ["from to", ...]}   that the node passed on
//   quit
//
// Nodes are numbered in the order in which they were created; with a count they join one after the other, and the answer
// comes when all are ready. One with nat hears only addresses that it has sent something to. Byte strings are in hex, null is none. What a handler does is one of: "echo", "silent", "none"
// (answers without a value), "put" and "get" (of the node's one value), "fail" and, for anything else, that text.

import dgram from 'node:dgram'
import { once } from 'node:events'
import dht from 'dht-rpc-v4'
import { hex, say, serve } from './lines.mjs'

const nodes = []
const punches = new Map()
const calls = new Map()
say({ ready: [] })

await serve({
  async create ({ count, bootstrap, ephemeral, nat, kv }) {
    const first = nodes.length
    for (let i = 0; i < (count ?? 1); i++) {
      const node = await create({ bootstrap: bootstrap ?? [], ephemeral, socket: nat ? portRestricted() : undefined })
      if (kv) handle(node, 'kv', 'get', 'put')
      if (count) await call(done => node.ready(done))
    }
    return { first, nodes: nodes.slice(first).map(contact) }
  },

  async ready ({ node }) {
    await new Promise(resolve => nodes[node].ready(resolve))
    return {}
  },

  serve ({ node, command, query, update }) {
    handle(nodes[node], command, query, update)
    return {}
  },

  run ({ node, command, target, value, query, update }) {
    const stream = nodes[node].runCommand(command, bytes(target), bytes(value), { query, update })
    const replies = []
    return new Promise(resolve => {
      stream.on('data', ({ type, value, node: { id, host, port } }) => replies.push({
        type: type === dht.QUERY ? 'query' : 'update',
        value: value ? hex(value) : null,
        addr: `${host}:${port}`,
        id: id ? hex(id) : ''
      }))
      stream.on('error', err => resolve({ replies, failed: err.message }))
      stream.on('end', () => resolve({ replies, failed: '' }))
    })
  },

  calls: ({ command }) => calls.get(command) ?? { query: 0, update: 0 },

  async persistent ({ node }) {
    await call(done => nodes[node].persistent(done))
    return {}
  },

  nodes: ({ node }) => ({
    nodes: nodes[node].getNodes().map(({ id, host, port }) => ({ addr: `${host}:${port}`, id: hex(id) }))
  }),

  addNodes ({ node, nodes: list }) {
    nodes[node].addNodes(list.map(({ id, addr }) => ({ id: bytes(id), ...peer(addr) })))
    return {}
  },

  async holepunch ({ node, peer: to, referrer }) {
    const failed = await new Promise(resolve => nodes[node].holepunch({ ...peer(to), referrer: peer(referrer) }, resolve))
    return { failed: failed ? failed.message : '' }
  },

  punches: ({ node }) => ({ punches: punches.get(nodes[node]) })
})

// listen has to be called before the constructor's bootstrap runs, on the next tick.
async function create (options) {
  const node = dht(options)
  node.listen(0, '127.0.0.1')
  nodes.push(node)
  punches.set(node, [])
  node.on('holepunch', (from, to) => punches.get(node).push(`${from.host}:${from.port} ${to.host}:${to.port}`))
  await once(node, 'listening')
  return node
}

// A socket as if behind a port-restricted NAT.
function portRestricted () {
  const socket = dgram.createSocket('udp4')
  const opened = new Set()
  const { send, emit } = socket
  socket.send = (buffer, offset, length, port, host) => {
    opened.add(`${host}:${port}`)
    send.call(socket, buffer, offset, length, port, host)
  }
  socket.emit = (event, ...args) => {
    if (event === 'message' && !opened.has(`${args[1].address}:${args[1].port}`)) return true
    return emit.call(socket, event, ...args)
  }
  return socket
}

function handle (node, command, query, update) {
  const counts = calls.get(command) ?? { query: 0, update: 0 }
  calls.set(command, counts)
  let stored = null
  const does = (kind, what) => ({ value }, reply) => {
    counts[kind]++
    switch (what) {
      case 'silent': return
      case 'echo': return reply(null, value)
      case 'none': return reply(null)
      case 'get': return reply(null, stored)
      case 'put': stored = value; return reply(null)
      case 'fail': return reply(new Error('nope'), Buffer.from([1, 2]))
    }
    reply(null, Buffer.from(what))
  }
  node.command(command, { query: query ? does('query', query) : undefined, update: update ? does('update', update) : undefined })
}

function contact (node) {
  const { address, port } = node.address()
  return { addr: `${address}:${port}`, id: hex(node.id) }
}

function peer (addr) {
  const [host, port] = addr.split(':')
  return { host, port: Number(port) }
}

function bytes (text) {
  return typeof text === 'string' ? Buffer.from(text, 'hex') : null
}

function call (start) {
  return new Promise((resolve, reject) => start(err => err ? reject(err) : resolve()))
}
