#!/usr/bin/env python3
"""Writes derived.json: tokens, what their holders derive from them, and texts that must be refused.

Shares no code with the extension: Ed25519 is written out in ed25519.py and checked against RFC 8032.
"""

import base64
import hashlib
import hmac
import json

import ed25519
from form import base62, bigint, token, write

HALF_OF_A_SECRET = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
START, END = 1_800_000_000, 1_800_000_300


def seed(parent):
    return hmac.new(b"tokenauth derive 1", parent.encode(), hashlib.sha256).digest()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(parent, caveats, secret=None, sign=ed25519.sign, dress=lambda text: text):
    """A child: caveats as JSON text or bytes."""
    caveats = caveats.encode() if isinstance(caveats, str) else caveats
    text = dress(parent[: len(parent) - 38] + "." + base64url(caveats))
    signature = sign(secret or seed(parent), text.encode())
    return text + "." + base62(int.from_bytes(signature, "big"), 86)


def case(prefix, lookup, caveats):
    parent = token(prefix, lookup, HALF_OF_A_SECRET)
    child = signed(parent, caveats)
    return {
        "prefix": prefix,
        "parent": parent,
        "bigint": str(bigint(lookup)),
        "seed": seed(parent).hex(),
        "public_key": ed25519.public_key(seed(parent)).hex(),
        "caveats": caveats,
        "child": child,
        "sha256": hashlib.sha256(child.encode()).hexdigest(),
    }


def of(**caveats):
    return json.dumps({"n": START, "x": END, **caveats}, separators=(",", ":"), ensure_ascii=False)


DERIVED = [
    case("", 0, of()),
    case("ps_usr_", 1, of(s=["devices:read", "*:list"], l="nightly export")),
    case("fifteen_letters", 2**63, of(s=[])),
    case("sixteen_letters_", 2**64 - 1, of(d={"site": ["nyc", "lon"], "*": []})),
    case("01234567890123456789012345678901", 2**40 + 7, of(w=["10.0.0.0/8", "2001:db8::/32"], l="~")),
    case("a-b_", 12345678901234567890, of(s=["*"], d={"größe": ["łódź", ""]}, w=["192.0.2.1/32"], l="a " * 32)),
    case("k_", 3, '{"n":0,"x":1}'),
    case("k_", 4, '{"n":253402300798,"x":253402300799}'),
]

PARENT = token("ps_usr_", 1, HALF_OF_A_SECRET)
OTHER = token("ps_usr_", 1, HALF_OF_A_SECRET[::-1])
CHILD = signed(PARENT, of())
PUBLIC, BODY, SIGNATURE = CHILD.split(".")

MALFORMED_CAVEATS = [
    ("no object", "[]"),
    ("empty", ""),
    ("no start", '{"x":1}'),
    ("no end", '{"n":1}'),
    ("end before start", '{"n":2,"x":1}'),
    ("end at start", '{"n":1,"x":1}'),
    ("negative start", '{"n":-1,"x":1}'),
    ("signed", '{"n":+1,"x":2}'),
    ("leading zero", '{"n":01,"x":2}'),
    ("point", '{"n":1.0,"x":2}'),
    ("exponent", '{"n":1,"x":1e9}'),
    ("end in the year 10000", '{"n":1,"x":253402300800}'),
    ("end beyond 64 bits", '{"n":1,"x":99999999999999999999}'),
    ("number as string", '{"n":"1","x":2}'),
    ("blank", '{"n":1, "x":2}'),
    ("line end after it", '{"n":1,"x":2}\n'),
    ("end before start in order", '{"x":2,"n":1}'),
    ("keys in another order", '{"n":1,"x":2,"l":"a","s":["b"]}'),
    ("key before the required ones", '{"s":["b"],"n":1,"x":2}'),
    ("repeated key", '{"n":1,"x":2,"s":["a"],"s":["b"]}'),
    ("repeated start", '{"n":1,"n":1,"x":2}'),
    ("unknown key", '{"n":1,"x":2,"z":1}'),
    ("unknown key in between", '{"n":1,"x":2,"a":1,"s":["b"]}'),
    ("null for absent", '{"n":1,"x":2,"s":null}'),
    ("equal scopes", '{"n":1,"x":2,"s":["a","a"]}'),
    ("scopes as text", '{"n":1,"x":2,"s":"a"}'),
    ("number among scopes", '{"n":1,"x":2,"s":[1]}'),
    ("comma after the last", '{"n":1,"x":2,"s":["a",]}'),
    ("no comma", '{"n":1,"x":2,"s":["a""b"]}'),
    ("empty data scopes", '{"n":1,"x":2,"d":{}}'),
    ("equal dimensions", '{"n":1,"x":2,"d":{"a":["1"],"a":["2"]}}'),
    ("equal values", '{"n":1,"x":2,"d":{"a":["1","1"]}}'),
    ("no list in data scopes", '{"n":1,"x":2,"d":{"a":"1"}}'),
    ("empty networks", '{"n":1,"x":2,"w":[]}'),
    ("equal networks", '{"n":1,"x":2,"w":["::/0","::/0"]}'),
    ("empty label", '{"n":1,"x":2,"l":""}'),
    ("label of 65 characters", '{"n":1,"x":2,"l":"%s"}' % ("a" * 65)),
    ("label that is not ASCII", '{"n":1,"x":2,"l":"é"}'),
    ("escaped character", '{"n":1,"x":2,"l":"\\u0061"}'),
    ("escaped quotation mark", '{"n":1,"x":2,"l":"\\""}'),
    ("control character", '{"n":1,"x":2,"d":{"a":["\t"]}}'),
    ("delete character", '{"n":1,"x":2,"d":{"a":["\x7f"]}}'),
    ("control character of Latin 1", '{"n":1,"x":2,"d":{"a":["\x85"]}}'),
    ("not UTF-8", b'{"n":1,"x":2,"d":{"a":["\xff"]}}'),
    ("overlong UTF-8", b'{"n":1,"x":2,"d":{"a":["\xc1\x81"]}}'),
    ("byte order mark", b'\xef\xbb\xbf{"n":1,"x":2}'),
    ("open", '{"n":1,"x":2'),
    ("more after it", '{"n":1,"x":2}{"n":1,"x":2}'),
]

MALFORMED = [{"what": what, "text": signed(PARENT, caveats)} for what, caveats in MALFORMED_CAVEATS] + [
    {"what": "longer than 2,048 characters", "text": signed(PARENT, of(s=["a%04d" % n for n in range(200)]))},
    {"what": "padding", "text": signed(PARENT, '{"n":1,"x":22}', dress=lambda text: text + "=")},
    {"what": "unused bits", "text": PUBLIC + "." + BODY[:-1] + chr(ord(BODY[-1]) + 1) + "." + SIGNATURE},
    {"what": "no caveats", "text": PUBLIC + ".." + SIGNATURE},
    {"what": "one part", "text": PUBLIC + "." + SIGNATURE},
    {"what": "four parts", "text": PUBLIC + "." + BODY + "." + BODY + "." + SIGNATURE},
    {"what": "signature of 85 digits", "text": PUBLIC + "." + BODY + "." + SIGNATURE[1:]},
    {"what": "signature of 87 digits", "text": PUBLIC + "." + BODY + ".0" + SIGNATURE},
    {"what": "signature beyond 512 bits", "text": PUBLIC + "." + BODY + "." + "z" * 86},
    {"what": "signature in base64url", "text": PUBLIC + "." + BODY + "." + "-" * 86},
    {"what": "lookup beyond 64 bits", "text": "ps_usr_zzzzzzzzzzz." + BODY + "." + SIGNATURE},
    {"what": "prefix of 33 characters", "text": "a" * 33 + PUBLIC[-11:] + "." + BODY + "." + SIGNATURE},
    {"what": "blank in the prefix", "text": "a " + PUBLIC[-11:] + "." + BODY + "." + SIGNATURE},
    {"what": "whole parent before the caveats", "text": PARENT + "." + BODY + "." + SIGNATURE},
    {"what": "blank before it", "text": " " + CHILD},
    {"what": "line end after it", "text": CHILD + "\n"},
]

DIGEST = hashlib.sha256(PARENT.encode()).digest()

FORGED = [
    {"what": "signed by another token of the same lookup", "text": signed(PARENT, of(), seed(OTHER))},
    {"what": "the other signature of the same message", "text": signed(
        PARENT, of(), sign=lambda secret, text: ed25519.other_signature(ed25519.sign(secret, text)))},
    {"what": "another prefix", "text": "ps_adm_" + CHILD[7:]},
    {"what": "another lookup", "text": "ps_usr_00000000002" + CHILD[18:]},
    {"what": "caveats of another child", "text": PUBLIC + "." + base64url(of(s=["*"]).encode()) + "." + SIGNATURE},
    {"what": "no signature", "text": PUBLIC + "." + BODY + "." + "0" * 86},
    {"what": "seed made of the stored digest", "text": signed(PARENT, of(), hmac.new(
        b"tokenauth derive 1", DIGEST, hashlib.sha256).digest())},
    {"what": "seed made with the digest as key", "text": signed(PARENT, of(), hmac.new(
        DIGEST, b"tokenauth derive 1", hashlib.sha256).digest())},
    {"what": "the stored digest as seed", "text": signed(PARENT, of(), DIGEST)},
]


def stored(case, pepper, identifier):
    public = bytes.fromhex(case["public_key"])
    lookup = int(case["bigint"]).to_bytes(8, "big", signed=True)
    message = b"tokenauth derive key 1" + identifier + lookup + public
    return {
        "parent": case["parent"],
        "id": identifier.hex(),
        "pepper": pepper.hex(),
        "without_pepper": public.hex(),
        "with_pepper": (public + hmac.new(pepper, message, hashlib.sha256).digest()).hex(),
    }


ed25519.check()
assert len(CHILD) <= 2048 < len(MALFORMED[len(MALFORMED_CAVEATS)]["text"])
write("derived.json", {
    "derived": DERIVED,
    "stored_keys": [
        stored(case, bytes(range(number, number + 32)), bytes(range(number + 16, number + 32)))
        for number, case in enumerate(DERIVED)
    ],
    "parent": [PARENT],
    "malformed": MALFORMED,
    "forged": FORGED,
})
