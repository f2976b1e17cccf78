// Real nodes of dht-rpc 6 on loopback, at a Go test's disposal.
//
//   node rpc.mjs
//
// The first line of output is {"ready": []}; then:
//
//   create  {addrs, bootstrap, bootstrapper, ephemeral, firewalled, maxPingDelay} -> {first, nodes: [{"addr", "id"}, ...]}
//   request {node, to, command, target, value, token, once} -> ANSWER
//   ping    {node, to, delay, once}                  -> ANSWER
//   query   {node, target, command, value, commit, once} -> {replies: [ANSWER, ...], closest: [{"addr", "id"}, ...], commits, errors, failed}
//   nodes   {node}                                   -> {nodes: [addr, ...]}   of the table, last heard first
//   state   {node}                                   -> {id, remote, ephemeral, firewalled}
//   relay   {node, to}                               -> {}   what command 3 hands requests on to
//   wait    {event, node, addr, count}               -> {at, count}   as soon as it has happened at so many nodes
//   known   {addr}                                   -> {nodes: [addr, ...]}   that have it in their table
//   stored  {target}                                 -> {nodes: [addr, ...]}   that hold a value
//   tick    {node}                                   -> {}   five seconds pass for the node's table
//   destroy {nodes}                                  -> {}
//   quit
//
// ANSWER is {from, id, to, token, value, code, closer: [addr, ...], rtt}, or {failed: code} if there was none. Nodes are numbered
// in the order in which they were created: one after the other at addrs ("host:port", port 0 is any), each ready before
// the next begins. Without a command a query is a findNode. Times are milliseconds, byte strings hex, null is none. What the
// nodes' handlers do is said at onrequest.

import { EventEmitter } from 'node:events'
import DHT from 'dht-rpc'
import { hex, say, serve } from './lines.mjs'

const nodes = [] // DHT, with what we note of each in a field lab
const past = [] // {node, event, addr, at}
const news = new EventEmitter().setMaxListeners(0)
say({ ready: [] })

await serve({
  async create ({ addrs, bootstrap, ...opts }) {
    const first = nodes.length
    for (const addr of addrs) await create(endpoint(addr), { ...given(opts), bootstrap: (bootstrap ?? []).map(endpoint) })
    return { first, nodes: nodes.slice(first).map(contact) }
  },

  request: ({ node, to, command, target, value, token, once }) => answer(() => nodes[node].request(
    { command, target: bytes(target), value: bytes(value), token: bytes(token) }, endpoint(to), { retry: !once })),

  ping: ({ node, to, delay, once }) => answer(() => delay
    ? nodes[node].delayedPing(endpoint(to), delay, { retry: !once })
    : nodes[node].ping(endpoint(to), { retry: !once })),

  async query ({ node, target, command, value, commit, once }) {
    let commits = 0
    const opts = once ? { retries: 0 } : {}
    if (commit) {
      opts.commit = async (reply, dht, query) => {
        await dht.request({ token: reply.token, target: query.target, command, value: query.value }, reply.from)
          .then(({ error }) => { if (error === 0) commits++ })
      }
    }
    const query = command === undefined || command === null
      ? nodes[node].findNode(bytes(target), opts)
      : nodes[node].query({ target: bytes(target), command, value: bytes(value) }, opts)
    const replies = []
    let failed = ''
    try {
      for await (const reply of query) replies.push(plain(reply))
    } catch (err) {
      failed = err.message
    }
    const closest = query.closestNodes.map(({ id, host, port }) => ({ addr: `${host}:${port}`, id: hex(id) }))
    return { replies, closest, commits, errors: query.errors, failed }
  },

  nodes: ({ node }) => ({ nodes: nodes[node].toArray().map(address) }),

  state: ({ node }) => {
    const { id, ephemeral, firewalled } = nodes[node]
    return { id: id ? hex(id) : '', remote: address(nodes[node].remoteAddress()), ephemeral, firewalled }
  },

  relay ({ node, to }) {
    nodes[node].lab.relay = endpoint(to)
    return {}
  },

  async wait ({ event, node, addr, count }) {
    for (;;) {
      const found = past.filter(p => p.event === event && (node ?? p.node) === p.node && (addr ?? p.addr) === p.addr)
      const where = new Set(found.map(p => p.node))
      if (where.size >= (count ?? 1)) return { at: found.at(-1).at, count: where.size }
      await new Promise(resolve => news.once('news', resolve))
    }
  },

  known: ({ addr }) => ({ nodes: nodes.filter(n => !n.destroyed && n.toArray().map(address).includes(addr)).map(n => contact(n).addr) }),

  stored: ({ target }) => ({ nodes: nodes.filter(n => n.lab.values.has(target)).map(n => contact(n).addr) }),

  tick ({ node }) {
    nodes[node]._ontick()
    return {}
  },

  async destroy ({ nodes: indices }) {
    await Promise.all(indices.map(i => nodes[i].destroy()))
    return {}
  }
})

async function create ({ host, port }, { bootstrapper, ...opts }) {
  const dht = bootstrapper ? DHT.bootstrapper(port, host, { host }) : new DHT({ host, port, anyPort: port === 0, ...opts })
  const node = nodes.push(dht) - 1
  dht.lab = { host, relay: null, values: new Map() }
  dht.onrequest = req => onrequest(dht, req)
  const note = (event, addr) => {
    past.push({ node, event, addr, at: Date.now() })
    news.emit('news')
  }
  for (const event of ['ready', 'persistent', 'nat-update']) dht.on(event, () => note(event, ''))
  for (const event of ['add-node', 'remove-node']) dht.on(event, other => note(event, address(other)))
  await dht.fullyBootstrapped()
}

// 1 keeps one value for each target: with a token it writes, without it reads. 2 is an echo. 3 hands on to a third node, with the
// asker's address for a value; a node without such a third one answers there. 4 fails, as does what makes no sense, 5 is silent.
function onrequest (dht, req) {
  const { values, relay } = dht.lab
  switch (req.command) {
    case 1:
      if (!req.target) {
        req.error(16)
      } else if (req.token) {
        values.set(hex(req.target), req.value)
        req.reply(null)
      } else {
        req.reply(values.get(hex(req.target)) ?? null)
      }
      return true
    case 2:
      req.reply(req.value)
      return true
    case 3:
      if (relay) req.relay(Buffer.from(address(req.from)), relay)
      else req.reply(Buffer.from('relayed'), { to: endpoint(req.value.toString()), token: false, closerNodes: false })
      return true
    case 4:
      req.error(16)
      return true
    case 5:
      return true
  }
  return false
}

async function answer (ask) {
  try {
    return plain(await ask())
  } catch (err) {
    return { failed: err.code ?? err.message }
  }
}

function plain ({ from, to, token, value, error, closerNodes, rtt }) {
  return {
    from: address(from),
    id: from.id ? hex(from.id) : '',
    to: address(to),
    token: token && hex(token),
    value: value && hex(value),
    code: error,
    closer: (closerNodes ?? []).map(address),
    rtt
  }
}

function contact (dht) {
  return { addr: `${dht.lab.host}:${dht.localAddress()?.port}`, id: dht.id ? hex(dht.id) : '' }
}

function address (peer) {
  return peer ? `${peer.host}:${peer.port}` : ''
}

function endpoint (addr) {
  const [host, port] = addr.split(':')
  return { host, port: Number(port) }
}

function bytes (text) {
  return typeof text === 'string' ? Buffer.from(text, 'hex') : null
}

// given drops the options that were left out, for which null is not the same.
function given (opts) {
  return Object.fromEntries(Object.entries(opts).filter(([, value]) => value !== null))
}
