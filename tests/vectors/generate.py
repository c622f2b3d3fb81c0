#!/usr/bin/env python3
"""Writes the known-answer vectors of this directory, sharing no code with the extension.

Published answers are written out below and checked against Python's own hashlib, hmac and zlib; the answers for
our own format are computed by these from the rules in docs/reference/limits.md. Run it in this directory: same input, same files.
"""

import hashlib
import hmac
import random
import re
import zlib

from form import DIGITS, base62, bigint, checksum, token, write

DRAW = random.Random("tokenauth vectors")  # repeatable, and for nothing but vectors


def number(digits):
    value = 0
    for digit in digits:
        value = value * 62 + DIGITS.index(digit)
    return value


def hint(prefix, text):
    return prefix + text[len(prefix):len(prefix) + 8] + "\u2026" + text[-4:]


def secret():
    return "".join(DRAW.choice(DIGITS) for _ in range(32))


# base62

NUMBERS = [0, 1, 61, 62, 3843, 3844, 0x7FFFFFFF, 0x80000000, 0xCBF43926, 0xFFFFFFFF, 62**6 - 1]
LOOKUPS = [0, 1, 61, 62, 62**10 - 1, 62**10, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1]
BEYOND = [2**64, 2**64 + 1, 2**64 + 61, 2**65, 62**11 - 1]
write("base62.json", {
    "six_digits": [{"value": str(n), "digits": base62(n, 6)} for n in NUMBERS],
    "lookups": [{"value": str(n), "bigint": str(bigint(n)), "digits": base62(n, 11)} for n in LOOKUPS],
    "beyond_64_bits": [base62(n, 11) for n in BEYOND],
})

# CRC-32

CRCS = [  # published where there is a number
    (b"", 0x00000000), (b"123456789", 0xCBF43926), (b"a", 0xE8B7BE43), (b"abc", 0x352441C2),
    (b"The quick brown fox jumps over the lazy dog", 0x414FA339),
    (b"\0", None), (b"\0" * 32, None), (b"\xff" * 32, None), (bytes(range(256)), None), (b"x" * 1000, None),
]
for text, published in CRCS:
    assert published in (None, zlib.crc32(text))
write("crc32.json", {"cases": [
    {"text_hex": text.hex(), "crc32": f"{zlib.crc32(text):08x}", "base62": base62(zlib.crc32(text), 6)}
    for text, _ in CRCS
]})

# SHA-2: the examples of FIPS 180-4 as NIST publishes them

SHA2 = [
    (b"", 1,
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
     "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"),
    (b"abc", 1,
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
    (b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
     "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
     "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445"),
    (b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1,
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
     "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
     "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"),
    (b"a", 1000000,
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
     "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
     "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"),
]
for message, repeat, sha256, sha512 in SHA2:
    assert hashlib.sha256(message * repeat).hexdigest() == sha256
    assert hashlib.sha512(message * repeat).hexdigest() == sha512
write("sha2.json", {"cases": [
    {"message_hex": message.hex(), "repeat": repeat, "sha256": sha256, "sha512": sha512}
    for message, repeat, sha256, sha512 in SHA2
]})

# Tokens

WELL_FORMED = [
    (prefix, lookup, secret())
    for prefix, lookup in [
        ("", 0), ("", 2**64 - 1), ("sk_", 1), ("ps_usr_", 2**63), ("pnms_pat_", 2**63 - 1), ("-", 62**10),
        ("a-b_C-9", 0x0123456789ABCDEF), ("_" * 32, 0xFEDCBA9876543210), ("01234567890123456789012345678901", 42),
    ]
] + [("ps_usr_", 7, "0" * 32), ("ps_usr_", 7, "z" * 32)]


def well_formed(prefix, lookup, secret):
    text = token(prefix, lookup, secret)
    return {
        "prefix": prefix, "bigint": str(bigint(lookup)), "secret": secret, "checksum": text[-6:], "text": text,
        "hint": hint(prefix, text), "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def with_checksum(text):
    """Any bytes with the checksum that would be right for them, so that only the other fault is refused."""
    return text + base62(zlib.crc32(text), 6).encode()


def malformed():
    good = token("ps_usr_", 0x0123456789ABCDEF, secret()).encode()
    bare = token("", 5, secret()).encode()
    body = good[7:43 + 7]
    flipped = good[:20] + (b"a" if good[20:21] != b"a" else b"b") + good[21:]
    swapped = good[:-2] + good[-1:] + good[-2:-1]
    assert swapped != good
    yield "nothing", b"", "length"
    yield "one character", b"a", "length"
    yield "one character short", bare[1:], "length"
    yield "a prefix of 33 characters", with_checksum(b"p" * 33 + body), "length"
    yield "82 bytes that are no text", b"\xff" * 82, "length"
    yield "a character of the secret changed", flipped, "checksum"
    yield "two characters of the checksum swapped", swapped, "checksum"
    yield "the prefix in upper case", b"PS_USR_" + good[7:], "checksum"
    yield "the prefix left out", good[7:], "checksum"
    yield "a checksum of 2^32", good[:-6] + base62(2**32, 6).encode(), "checksum"
    yield "the largest checksum six digits can write", good[:-6] + b"zzzzzz", "checksum"
    yield "the right checksum plus 2^32", good[:-6] + base62(number(good[-6:].decode()) + 2**32, 6).encode(), "checksum"
    yield "a lookup of 2^64", with_checksum(b"sk_" + base62(2**64, 11).encode() + body[11:]), "lookup"
    yield "the largest lookup 11 digits can write", with_checksum(b"sk_" + b"z" * 11 + body[11:]), "lookup"
    yield "a line feed after it", good + b"\n", "alphabet"
    yield "a carriage return after it", good + b"\r", "alphabet"
    yield "a space after it", good + b" ", "alphabet"
    yield "a space before it", b" " + good, "alphabet"
    yield "a NUL after it", good + b"\0", "alphabet"
    yield "a NUL in the prefix", with_checksum(b"sk\0" + body), "alphabet"
    yield "a NUL in the lookup", with_checksum(b"sk_\0" + body[1:]), "alphabet"
    yield "a NUL in the secret", with_checksum(b"sk_" + body[:20] + b"\0" + body[21:]), "alphabet"
    yield "an underscore in the secret", with_checksum(b"sk_" + body[:20] + b"_" + body[21:]), "alphabet"
    yield "a hyphen in the checksum", good[:-1] + b"-", "alphabet"
    yield "0xff in the prefix", with_checksum(b"\xff" + body), "alphabet"
    yield "0xff in the secret", with_checksum(b"sk_" + body[:20] + b"\xff" + body[21:]), "alphabet"
    yield "an overlong UTF-8 zero in the prefix", with_checksum(b"\xc0\x80" + body), "alphabet"
    yield "a right-to-left override in the prefix", with_checksum("sk\u202e_".encode() + body), "alphabet"
    yield "a full-width digit in the prefix", with_checksum("sk\uff11_".encode() + body), "alphabet"
    yield "a full-width digit in the secret", with_checksum(b"sk_" + body[:-3] + "\uff11".encode()), "alphabet"
    yield "a slash in the prefix", with_checksum(b"sk/" + body), "alphabet"


def drawn(prefix, stream):
    """The lookup from 8 bytes, then turns of 40 whose high six bits are digits; 62 and 63 are dropped."""
    lookup, rest, digits = int.from_bytes(stream[:8], "big"), stream[8:], ""
    while len(digits) < 32:
        turn, rest = rest[:40], rest[40:]
        assert len(turn) == 40
        digits += "".join(DIGITS[byte >> 2] for byte in turn if byte >> 2 < 62)
    text = token(prefix, lookup, digits[:32])
    return {"prefix": prefix, "random": stream.hex(), "text": text, "hint": hint(prefix, text)}


write("tokens.json", {
    "well_formed": [well_formed(*parts) for parts in WELL_FORMED],
    "malformed": [{"what": what, "text_hex": text.hex(), "reason": reason} for what, text, reason in malformed()],
    "drawn": [
        drawn("", bytes(48)), drawn("sk_", bytes(range(48))), drawn("ps_usr_", DRAW.randbytes(48)),
        drawn("sk_", DRAW.randbytes(8) + bytes([0xF7, 0xF8, 0xFF, 0x03, 0x04]) * 16),
    ],
})

# HMAC-SHA-256: RFC 4231, section 4

RFC4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    (b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    (b"\xaa" * 131, b"This is a test using a larger than block-size key and a larger than block-size data. "
     b"The key needs to be hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
]
for key, data, published in RFC4231:
    assert hmac.new(key, data, "sha256").hexdigest().startswith(published)
KEYS = [bytes(32), b"\xff" * 32, bytes(range(32)), DRAW.randbytes(32)]
TEXTS = [token(*parts) for parts in WELL_FORMED[:4]]
write("hmac_sha256.json", {
    "rfc4231": [{"key": key.hex(), "data": data.hex(), "hmac": code} for key, data, code in RFC4231],
    "peppered_tokens": [
        {"pepper": key.hex(), "text": text,
         "digest": hmac.new(key, hashlib.sha256(text.encode()).digest(), "sha256").hexdigest()}
        for key, text in zip(KEYS, TEXTS)
    ],
    "check_values": [
        {"key": key.hex(), "check_value": hmac.new(key, b"tokenauth key check value", "sha256").hexdigest()}
        for key in KEYS
    ],
})

# Tokens in other text: each start of each end is tried, the shortest prefix first


def embedded(what, text):
    tokens, masked = [], bytearray(text)
    for run in re.finditer(rb"[A-Za-z0-9]{49,}", text):
        end = run.end()
        for prefix in range(33):
            found = text[max(end - 49 - prefix, 0):end]
            if re.fullmatch(rb"[A-Za-z0-9_-]{%d}[A-Za-z0-9]{49}" % prefix, found) \
                    and number(found[-49:-38].decode()) < 2**64 \
                    and number(found[-6:].decode()) == zlib.crc32(found[:-6]):
                tokens.append(found.decode())
                masked[end - 41:end - 4] = b"*" * 37
                break
    return {"what": what, "text_hex": text.hex(), "tokens": tokens, "masked_hex": masked.hex()}


A, B = (token(prefix, DRAW.getrandbits(64), secret()).encode() for prefix in ("ps_usr_", "sk-"))
BARE = token("", DRAW.getrandbits(64), secret()).encode()
LONG = token("_" * 32, DRAW.getrandbits(64), secret()).encode()
WRONG = A[:-1] + (b"0" if A[-1:] != b"0" else b"1")
write("embedded.json", {"cases": [
    embedded("nothing", b""),
    embedded("no token", b"the quick brown fox"),
    embedded("a token alone", A),
    embedded("a token without prefix", BARE),
    embedded("a token with the longest prefix", LONG),
    embedded("a longer run of the prefix characters before it", b"__" + LONG),
    embedded("in a header", b"Authorization: Bearer " + A + b"\r\nHost: x\r\n"),
    embedded("in SQL", b"SELECT tokenauth.verify('" + A + b"', 'devices:read')"),
    embedded("in a URL with percent signs", b"https://x/?key%3D" + A + b"&y=%20" + B),
    embedded("in JSON", b'{"token":"' + B + b'"}'),
    embedded("an escaped line feed before it", b"token:\\n" + A),
    embedded("a word glued before it", b"token_" + A),
    embedded("an underscore or a hyphen after it", A + b"_ " + B + b"-"),
    embedded("a letter after it: not found", A + b"x"),
    embedded("two tokens without anything between: the first has a letter after it", A + B),
    embedded("two tokens joined by an underscore", A + b"_" + B),
    embedded("the same token twice", A + b" " + A),
    embedded("three tokens", A + b"," + B + b"," + BARE),
    embedded("a wrong checksum", WRONG),
    embedded("a wrong checksum between two right ones", A + b" " + WRONG + b" " + B),
    embedded("between characters of UTF-8", "clé«".encode() + A + "»・".encode() + B + "終".encode()),
    embedded("between characters of LATIN1", "clé«".encode("latin-1") + A + b"\xbb"),
    embedded("between characters of EUC_JP", "鍵".encode("euc-jp") + A + "終".encode("euc-jp")),
    embedded("between bytes of no encoding", b"\xff\x00" + A + b"\xc0\x80"),
]})

# XChaCha20-Poly1305: draft-irtf-cfrg-xchacha-03, appendix A.3.1, and token texts sealed by it


def rotate(value, by):
    return (value << by | value >> (32 - by)) & 0xFFFFFFFF


def chacha_rounds(key, last):
    state = [int.from_bytes((b"expand 32-byte k" + key + last)[at:at + 4], "little") for at in range(0, 64, 4)]
    work = state[:]
    for _ in range(10):
        for a, b, c, d in [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]:
            for x, y, z, by in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
                work[x] = (work[x] + work[y]) & 0xFFFFFFFF
                work[z] = rotate(work[z] ^ work[x], by)
    return state, work


def words(values):
    return b"".join(value.to_bytes(4, "little") for value in values)


def chacha20(key, nonce, counter):
    state, work = chacha_rounds(key, counter.to_bytes(4, "little") + nonce)
    return words((x + y) & 0xFFFFFFFF for x, y in zip(state, work))


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:32], "little")) % 2**128).to_bytes(16, "little")


def xchacha20_poly1305(key, nonce, text, aad):
    _, work = chacha_rounds(key, nonce[:16])
    key, nonce = words(work[:4] + work[12:]), bytes(4) + nonce[16:]
    stream = b"".join(chacha20(key, nonce, 1 + at) for at in range(-(-len(text) // 64)))
    sealed = bytes(x ^ y for x, y in zip(text, stream))
    padded = b"".join(part + bytes(-len(part) % 16) for part in (aad, sealed))
    lengths = len(aad).to_bytes(8, "little") + len(sealed).to_bytes(8, "little")
    return sealed, poly1305(chacha20(key, nonce, 0), padded + lengths)


DRAFT = {
    "key": bytes(range(0x80, 0xA0)), "nonce": bytes(range(0x40, 0x58)),
    "aad": bytes.fromhex("50515253c0c1c2c3c4c5c6c7"),
    "plaintext": b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                 b"sunscreen would be it.",
    "ciphertext": bytes.fromhex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c2"
        "16cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c6"
        "8b13b52e"),
    "tag": bytes.fromhex("c0875924c1c7987947deafd8780acf49"),
}
assert xchacha20_poly1305(DRAFT["key"], DRAFT["nonce"], DRAFT["plaintext"], DRAFT["aad"]) == \
    (DRAFT["ciphertext"], DRAFT["tag"])


def sealed_token(key, text):
    nonce, uuid = DRAW.randbytes(24), DRAW.randbytes(16)
    sealed = b"\1" + nonce + b"".join(xchacha20_poly1305(key, nonce, text.encode(), uuid))
    return {"key": key.hex(), "nonce": nonce.hex(), "id": uuid.hex(), "text": text, "sealed": sealed.hex()}


write("xchacha20_poly1305.json", {
    "draft": [{name: value.hex() for name, value in DRAFT.items()}],
    "sealed_tokens": [sealed_token(key, text) for key, text in zip(KEYS, TEXTS)],
})
