// Starts a network of real bittorrent-dht nodes on loopback and puts them at a Go test's disposal.
//
//   node swarm.mjs --nodes 30 --net 61 [--bootstrap 127.1.2.3:4000]
//
// Node i listens on 127.NET.i.1, so that each has an address and a /24 of its own. Their ids
// depend on NET and i only. The first line of output is {"ready": [{"addr", "id"}, ...]}; then:
//
//   announce {node, infoHash, port} -> {stored}         nodes that took it; port 0: implied
//   lookup   {node, infoHash}       -> {peers, replied} every peer once, as "ip:port"
//   put      {node, value}          -> {target, stored, refused}
//   sign     {node, seed, salt, itemSeq, value, cas} -> {target, stored, refused}
//   get      {node, target, salt}   -> {found, value, itemSeq, sig}
//   kill     {nodes: [i, ...]}      -> {}               their sockets are closed without a word
//   quit
//
// Values are bencoded, they and other byte strings are hex. stored is the number of nodes that took an item,
// refused what the last one of them said that did not, if none took it.

import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import bencode from 'bencode'
import { Client as DHT } from 'bittorrent-dht'
import { hex, say, serve } from './lines.mjs'

const { values: flags } = parseArgs({
  options: {
    nodes: { type: 'string', default: '30' },
    net: { type: 'string', default: '61' },
    bootstrap: { type: 'string' }
  }
})

// What comes before the 32 bytes of an ed25519 key in its two file formats (RFC 8410).
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

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

  async put ({ node, value }) {
    return put(node, { v: decode(value) })
  },

  async sign ({ node, seed, salt, itemSeq, value, cas }) {
    const secret = createPrivateKey({ key: Buffer.concat([PKCS8, bytes(seed)]), format: 'der', type: 'pkcs8' })
    const k = createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(SPKI.length)
    const item = { k, seq: itemSeq, v: decode(value), sign: message => sign(null, message, secret) }
    if (salt) item.salt = bytes(salt)
    if (cas !== undefined) item.cas = cas
    return put(node, item)
  },

  async get ({ node, target, salt }) {
    const item = await call(done => nodes[node].get(target, { cache: false, ...salt && { salt: bytes(salt) } }, done))
    if (!item) return { found: false }
    return { found: true, value: hex(bencode.encode(item.v)), itemSeq: item.seq, sig: item.sig && hex(item.sig) }
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
    verify: (sig, message, key) => {
      const k = { key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' }
      return verify(null, message, k, sig)
    },
    bootstrap: flags.bootstrap ?? (i === 0 ? false : addressOf(nodes[0]))
  })
  node.listen(0, `127.${flags.net}.${i}.1`)
  await once(node, 'ready')
  if (!node.listening) await once(node, 'listening')
  return node
}

function put (node, item) {
  return new Promise(resolve => nodes[node].put(item, (err, target, stored = 0) => {
    resolve({ target: hex(target), stored, refused: err?.message })
  }))
}

function bytes (text) {
  return Buffer.from(text, 'hex')
}

function decode (value) {
  return bencode.decode(bytes(value))
}

function addressOf (node) {
  const { address, port } = node.address()
  return `${address}:${port}`
}

function call (start) {
  return new Promise((resolve, reject) => start((err, value) => err ? reject(err) : resolve(value)))
}
