"""Derives from a token a narrower one that works for a short time, with nothing but the token's text."""

import base64
import hmac
import json
import sys
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def derive(token, seconds=300, start=None, **caveats):
    """Caveats, in this order: s (scopes), d (data scopes), w (networks), l (label)."""
    start = int(time.time()) if start is None else start
    caveats = json.dumps({"n": start, "x": start + seconds, **caveats}, separators=(",", ":"), ensure_ascii=False)
    text = token[:-38] + "." + base64.urlsafe_b64encode(caveats.encode()).decode().rstrip("=")
    seed = hmac.digest(b"tokenauth derive 1", token.encode(), "sha256")
    number = int.from_bytes(Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode()), "big")
    signature = "".join(DIGITS[number // 62**place % 62] for place in reversed(range(86)))
    return text + "." + signature


if __name__ == "__main__":
    print(derive(sys.stdin.read().strip(), **json.loads(sys.argv[1])))
