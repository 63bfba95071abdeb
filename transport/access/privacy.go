package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"go.uber.org/zap"
)

// A UserIP is what an event says of its player's address, and what a log line says of a
// client's. The zero UserIP says all.
type UserIP struct {
	mode ipMode
	key  hash
}

type ipMode uint8

const (
	ipFull ipMode = iota
	ipNetwork
	ipHash
	ipOff
)

// The bits of an address that stay with "network": some hundred subscribers of one
// provider share them.
const (
	networkBits4 = 24
	networkBits6 = 48
)

// hashedBytes of a hash are enough to tell players apart: 64 bits.
const hashedBytes = 8

// NewUserIP takes "full", "network", "hash" or "off". The key is for "hash"; an
// empty one is random, so that hashes of two starts, or of two instances, have
// nothing to do with each other.
func NewUserIP(mode, key string) (UserIP, error) {
	u := UserIP{}
	if key != "" {
		u.key = sha256.Sum256([]byte(key))
	}
	switch mode {
	case "", "full":
	case "network":
		u.mode = ipNetwork
	case "off":
		u.mode = ipOff
	case "hash":
		u.mode = ipHash
		if key == "" {
			rand.Read(u.key[:])
		}
	default:
		return u, errors.New("must be full, network, hash or off")
	}
	return u, nil
}

// Off reports whether events say nothing of addresses.
func (u *UserIP) Off() bool { return u.mode == ipOff }

// Append adds what an event says of addr; nothing of an address that is not known.
func (u *UserIP) Append(dst []byte, addr netip.Addr) []byte {
	if !addr.IsValid() {
		return dst
	}
	addr = addr.Unmap().WithZone("")
	switch u.mode {
	case ipOff:
		return dst
	case ipNetwork:
		bits := networkBits6
		if addr.Is4() {
			bits = networkBits4
		}
		network, _ := addr.Prefix(bits)
		return network.Addr().AppendTo(dst)
	case ipHash:
		// The input has one length, and not all of the hash is shown, so that
		// a key in front is as good as an HMAC.
		var in [len(u.key) + 16]byte
		a := addr.As16()
		copy(in[:], u.key[:])
		copy(in[len(u.key):], a[:])
		sum := sha256.Sum256(in[:])
		return hex.AppendEncode(dst, sum[:hashedBytes])
	}
	return addr.AppendTo(dst)
}

// Logged is the field of a log line with the address and port of a client: whole, as
// events say it, or nothing.
func (u *UserIP) Logged(addr fmt.Stringer) zap.Field {
	if u.mode == ipFull {
		return zap.Stringer("address", addr)
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil || u.mode == ipOff {
		return zap.Skip()
	}
	return zap.String("address", string(u.Append(nil, at.Addr())))
}
