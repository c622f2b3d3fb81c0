"""The form of tokens, for what writes vectors."""

import json
import string
import zlib

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def base62(value, width):
    digits = ""
    for _ in range(width):
        value, digit = divmod(value, 62)
        digits = DIGITS[digit] + digits
    assert value == 0
    return digits


def bigint(value):
    return value - (1 << 64) if value >> 63 else value


def checksum(text):
    return base62(zlib.crc32(text.encode("ascii")), 6)


def token(prefix, lookup, secret):
    text = prefix + base62(lookup, 11) + secret
    return text + checksum(text)


def write(name, content):
    with open(name, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=True)
        file.write("\n")
