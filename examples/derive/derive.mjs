// Derives from a token a narrower one that works for a short time, with nothing but the token's text.
import { createHmac, createPrivateKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
// What an Ed25519 key is wrapped in (RFC 8410).
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

// Caveats, in this order: s (scopes), d (data scopes), w (networks), l (label).
export function derive(token, { seconds = 300, start = Math.floor(Date.now() / 1000), ...caveats } = {}) {
  const json = JSON.stringify({ n: start, x: start + seconds, ...caveats })
  const text = `${token.slice(0, -38)}.${Buffer.from(json).toString('base64url')}`
  const seed = createHmac('sha256', 'tokenauth derive 1').update(token).digest()
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
  let number = BigInt(`0x${sign(null, Buffer.from(text), key).toString('hex')}`)
  let signature = ''
  for (; signature.length < 86; number /= 62n) signature = DIGITS[Number(number % 62n)] + signature
  return `${text}.${signature}`
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  console.log(derive(readFileSync(0, 'utf8').trim(), JSON.parse(argv[2])))
}
