package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// A hash stands for a token: nobody can make the token of it. Tokens are random,
// so one round of SHA-256 is enough; a table of guesses has no use.
type hash [sha256.Size]byte

func hashOf(credential []byte) hash { return sha256.Sum256(credential) }

func parseHash(text string) (h hash, ok bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(h) {
		return h, false
	}
	return hash(raw), true
}

// tokenPrefix lets scanners for leaked secrets find tokens.
const tokenPrefix = "ed_"

// NewToken makes a token and what the access file has of it.
func NewToken() (token, sha256Hex string) {
	token = tokenPrefix + random()
	h := hashOf([]byte(token))
	return token, hex.EncodeToString(h[:])
}

// Describe is what `event_dispatcher token` prints.
func Describe(token, sha256Hex string) string {
	return fmt.Sprintf("token   %s\nsha256  %s\n\nThe token is shown once. The access file has only its hash:\n\n"+
		"  [[tokens]]\n  name = \"choose a name\"\n  sha256 = %q\n  roles = [\"consume\"]\n", token, sha256Hex, sha256Hex)
}

// random is 256 bits that nobody can guess, as text.
func random() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// maxCredential is the longest credential that is looked at, in bytes. A JWT with
// many claims has some 2 KB.
const maxCredential = 8 << 10

// isCredential reports whether p can be a token (RFC 6750, section 2.1, b64token).
func isCredential(p []byte) bool {
	if len(p) == 0 || len(p) > maxCredential {
		return false
	}
	padding := false
	for i, c := range p {
		switch {
		case c == '=':
			if i == 0 {
				return false
			}
			padding = true
		case padding:
			return false
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}
