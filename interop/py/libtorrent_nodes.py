"""Starts real libtorrent sessions and puts their DHT nodes at a Go test's disposal.

    python3 libtorrent_nodes.py --listen 127.70.0.1:0 127.70.1.1:0,[::1]:0 ... [--bootstrap 127.1.2.3:4000 ...] [--as-is]

Each --listen is a session; with an address of each family it has a DHT node in each. The first session
joins through the bootstrap addresses (or nobody), the others through the first, too. With --as-is the DHT's
settings stay as libtorrent ships them; without, nodes may share addresses, and none is limited to a pace.
The first line of output is {"ready": [{"addr", "id"}, ...]}, a node for each address; node i below is
session i. Byte strings are hex.

    announce      {node, infoHash}                  -> {stored: [addr, ...]}  those who took it; implied_port is set
    seed          {node, name}                      -> {infoHash, stored}     the same as a seed, of a torrent of one byte
    lookup        {node, infoHash}                  -> {peers: [addr, ...]}   every peer once
    put           {node, value}                     -> {target, stored}       number of nodes that took it
    put_signed    {node, seed, key, text, salt}     -> {itemSeq, sig, stored} itemSeq is one above the newest found
    get           {node, target}                    -> {found, value}         value: of byte strings only
    get_signed    {node, key, salt}                 -> {found, value, itemSeq, sig}
    sample        {node, addr, target}              -> {samples, num, interval, nodes: [{addr, id}]}
    table         {node}                            -> {nodes: [{addr, id}]}  of its routing tables
    itself        {node}                            -> {nodes: [{addr, id}]}  its own address and id, in each family
    packets       {node}                            -> {packets: [{out, addr, data}]}  DHT datagrams since the last call
    external      {node}                            -> {addrs: [ip, ...]}     own addresses, as agreed with others
    quit

A value is bencoded, and put encodes it anew; a text is a byte string as it is, as the bindings can sign no
other value.
"""

import argparse
import hashlib
import ipaddress
import os
import re
import tempfile
import time

import libtorrent as lt

import lines

LOCAL = {  # on loopback everybody is a neighbour
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "dht_block_ratelimit": 1_000_000,
    "dht_upload_rate_limit": 1_000_000_000,
}
KEPT = 50_000  # packets of a session, at most
PACKET = re.compile(r"^(==>|<==) \[(\S+)\]")


class Node:
    """A session and what its alerts have told so far."""

    def __init__(self, listen, bootstrap, as_is, folder):
        self.folder = folder
        self.session = lt.session({
            "listen_interfaces": listen,
            "dht_bootstrap_nodes": ",".join(bootstrap),
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_tcp": False,  # nothing is ever transferred
            "enable_outgoing_utp": False,
            "alert_mask": lt.alert.category_t.all_categories,
            "alert_queue_size": 1_000_000,
            **({} if as_is else LOCAL),
        })
        self.families = listen.count(",") + 1
        self.addrs = []  # of its DHT nodes, in the order of listen
        self.packets = []  # (out, address, datagram)
        self.walks = {}  # info hash: the numbers of the lookups that run for it, one in each family
        self.done = {}  # info hash: how many lookups have ended
        self.external = []
        self.heard = []  # (kind, what it told) of the other alerts; each command clears it before it asks

    def pump(self):
        for alert in self.session.pop_alerts():
            kind = alert.what()
            if kind == "dht_pkt":
                way, addr = PACKET.match(alert.message()).groups()
                self.packets.append((way == "==>", addr, bytes(alert.pkt_buf)))
                del self.packets[:-KEPT]
            elif kind == "dht_log":
                self.log(alert.log_message())
            elif kind == "listen_succeeded" and alert.socket_type == lt.socket_type_t.utp:
                self.addrs.append(text_of((str(alert.address), alert.port)))
            elif kind == "external_ip":
                self.external.append(str(alert.external_address))
            elif kind in READERS:
                self.heard.append((kind, READERS[kind](alert)))

    def log(self, text):
        """Follows lookups, of which libtorrent tells nothing but in its log."""
        if started := re.match(r"\[(\d+)\] NEW target: (\w+)", text):
            self.walks.setdefault(started[2], []).append(started[1])
        elif ended := re.match(r"\[(\d+)\] COMPLETED .*type: get_peers", text):
            for target, numbers in self.walks.items():
                if ended[1] in numbers:
                    numbers.remove(ended[1])
                    self.done[target] = self.done.get(target, 0) + 1

    def contacts(self):
        """Returns its DHT nodes with their ids of now: an id changes with the external address (BEP 42)."""
        states = (self.session.dht_state() or {}).get(b"node-id", [])  # each an id and an address
        ids = {str(ipaddress.ip_address(state[20:])): state[:20].hex() for state in states}
        pairs = [(addr, ids.get(addr.rsplit(":", 1)[0].strip("[]"))) for addr in self.addrs]
        return [{"addr": addr, "id": own} for addr, own in pairs if own]

    def walked(self, target):
        """Waits until a lookup has ended in each family, and forgets it."""
        yield from until(lambda: self.done.get(target, 0) >= self.families)
        del self.done[target]

    def announced(self, torrent):
        """Adds a torrent, which libtorrent then announces, and waits for the answers to that."""
        torrent.save_path = self.folder
        self.session.add_torrent(torrent)
        info_hash = torrent.ti.info_hashes().v1 if torrent.ti else torrent.info_hashes.v1
        yield from self.walked(str(info_hash))
        asked = {}

        def all_answered():
            asked.clear()
            for out, addr, datagram in self.packets:
                message = lt.bdecode(datagram)
                if out and message.get(b"q") == b"announce_peer" and message[b"a"][b"info_hash"] == info_hash.to_bytes():
                    asked[addr, message[b"t"]] = None
                elif not out and (addr, message.get(b"t")) in asked:
                    asked[addr, message[b"t"]] = message[b"y"]
            return asked and None not in asked.values()

        yield from until(all_answered)
        return {"infoHash": str(info_hash), "stored": [addr for (addr, _), kind in asked.items() if kind == b"r"]}

    def ask(self, kind, start, wanted=lambda told: True):
        """Asks libtorrent for something and waits for the alert that tells what came of it."""
        del self.heard[:]
        start()
        found = lambda: [told for heard, told in self.heard if heard == kind and wanted(told)]
        yield from until(found)
        return found()[0]


def until(condition):
    while not condition():
        yield


def text_of(endpoint):
    host, port = endpoint
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


def contact(endpoint, node_id):
    return {"addr": text_of(endpoint), "id": str(node_id)}


def sha1(text):
    return lt.sha1_hash(bytes.fromhex(text))


def item(alert):
    """Reads an item alert. Of values, the bindings hand out byte strings only; any other makes an exception, and so
    does the lack of one. Whether there was a value, the alert's text tells."""
    told = {"final": getattr(alert, "authoritative", True), "found": not alert.message().endswith("[ <uninitialized> ]")}
    if hasattr(alert, "target"):
        told["target"] = str(alert.target)
    else:
        told["key"] = alert.key.hex()
    if not told["found"]:
        return told
    if "key" in told:
        told.update(itemSeq=alert.seq, sig=alert.signature.hex())
    try:
        told["value"] = lt.bencode(alert.item["value"]).hex()
    except RuntimeError:
        pass
    return told


# An alert is gone with the next pop_alerts, and so is what it refers to: it is read at once.
READERS = {
    "dht_get_peers_reply": lambda alert: {
        "infoHash": str(alert.info_hash), "peers": [text_of(peer) for peer in alert.peers()],
    },
    "dht_put": lambda alert: {
        "target": str(alert.target), "key": alert.public_key.hex(),
        "itemSeq": alert.seq, "sig": alert.signature.hex(), "stored": alert.num_success,
    },
    "dht_immutable_item": item,
    "dht_mutable_item": item,
    "dht_sample_infohashes": lambda alert: {
        "samples": [str(info_hash) for info_hash in alert.samples],
        "num": alert.num_infohashes, "interval": alert.interval.total_seconds(),
        "nodes": [contact(entry["endpoint"], entry["nid"]) for entry in alert.nodes],
    },
    "dht_live_nodes": lambda alert: {
        "of": str(alert.node_id), "nodes": [contact(entry["endpoint"], entry["nid"]) for entry in alert.nodes],
    },
}


def announce(node, infoHash):
    torrent = lt.add_torrent_params()
    torrent.info_hashes = lt.info_hash_t(sha1(infoHash))
    return (yield from nodes[node].announced(torrent))


def seed(node, name):
    with open(os.path.join(nodes[node].folder, name), "wb") as file:
        file.write(b"x")
    torrent = lt.add_torrent_params()
    torrent.ti = lt.torrent_info({"info": {
        "name": name, "length": 1, "piece length": 16384, "pieces": hashlib.sha1(b"x").digest(),
    }})
    torrent.flags |= lt.torrent_flags.seed_mode
    return (yield from nodes[node].announced(torrent))


def lookup(node, infoHash):
    n = nodes[node]
    del n.heard[:]
    n.done.pop(infoHash, None)
    n.session.dht_get_peers(sha1(infoHash))
    yield from n.walked(infoHash)
    replies = [told for kind, told in n.heard if kind == "dht_get_peers_reply" and told["infoHash"] == infoHash]
    return {"peers": sorted({peer for reply in replies for peer in reply["peers"]})}


def put(node, value):
    n, target = nodes[node], []
    start = lambda: target.append(str(n.session.dht_put_immutable_item(lt.bdecode(bytes.fromhex(value)))))
    return (yield from n.ask("dht_put", start, lambda told: told["target"] == target[0]))


def put_signed(node, seed, key, text, salt):
    """libtorrent's secret keys are the expanded ones of ed25519: the scalar and the prefix."""
    n = nodes[node]
    secret = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest())
    secret[0] &= 248
    secret[31] = secret[31] & 63 | 64
    key, text, salt = bytes.fromhex(key), bytes.fromhex(text), bytes.fromhex(salt)
    start = lambda: n.session.dht_put_mutable_item(bytes(secret), key, text, salt)
    return (yield from n.ask("dht_put", start, lambda told: told["key"] == key.hex()))


def get(node, target):
    n = nodes[node]
    start = lambda: n.session.dht_get_immutable_item(sha1(target))
    return (yield from n.ask("dht_immutable_item", start, lambda told: told["target"] == target))


def get_signed(node, key, salt):
    n = nodes[node]
    start = lambda: n.session.dht_get_mutable_item(bytes.fromhex(key), bytes.fromhex(salt))
    return (yield from n.ask("dht_mutable_item", start, lambda told: told["key"] == key and told["final"]))


def sample(node, addr, target):
    n = nodes[node]
    host, port = addr.rsplit(":", 1)
    start = lambda: n.session.dht_sample_infohashes((host.strip("[]"), int(port)), sha1(target))
    return (yield from n.ask("dht_sample_infohashes", start))


def table(node):
    n, found = nodes[node], []
    for own in n.contacts():
        start = lambda: n.session.dht_live_nodes(sha1(own["id"]))
        found += (yield from n.ask("dht_live_nodes", start, lambda told: told["of"] == own["id"]))["nodes"]
    return {"nodes": found}


def itself(node):
    yield from ()
    return {"nodes": nodes[node].contacts()}


def packets(node):
    yield from ()
    n = nodes[node]
    taken, n.packets = n.packets, []
    return {"packets": [{"out": out, "addr": addr, "data": data.hex()} for out, addr, data in taken]}


def external(node):
    yield from ()
    return {"addrs": nodes[node].external}


def pump():
    for node in nodes:
        node.pump()


def begin(listen, bootstrap, as_is, folder):
    """Starts the sessions, each when the one before it has its addresses."""
    for interfaces in listen:
        node = Node(interfaces, bootstrap, as_is, folder)
        nodes.append(node)
        while len(node.contacts()) < node.families:
            time.sleep(lines.PACE)  # wait_for_alert crashes now and then
            pump()
        if node is nodes[0]:
            bootstrap = bootstrap + node.addrs
    return [contact for node in nodes for contact in node.contacts()]


nodes = []
commands = [announce, seed, lookup, put, put_signed, get, get_signed, sample, table, itself, packets, external]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", nargs="+", required=True)
    parser.add_argument("--bootstrap", nargs="*", default=[])
    parser.add_argument("--as-is", action="store_true")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines.say({"ready": begin(flags.listen, flags.bootstrap, flags.as_is, folder)})
        lines.serve({command.__name__: command for command in commands}, pump)
