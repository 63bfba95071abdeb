package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// A jwk is a key (RFC 7517). Which algorithm it is for follows from its type, so
// that a token cannot choose: a public RSA key is never the secret of an HMAC.
type jwk struct {
	Kid string `json:"kid" toml:"kid"`
	Kty string `json:"kty" toml:"kty"`
	Alg string `json:"alg" toml:"alg"`
	Use string `json:"use" toml:"use"`
	Crv string `json:"crv" toml:"crv"`
	K   string `json:"k" toml:"k"`
	N   string `json:"n" toml:"n"`
	E   string `json:"e" toml:"e"`
	X   string `json:"x" toml:"x"`
	Y   string `json:"y" toml:"y"`
}

// A key is a jwk that can verify.
type key struct {
	id     string
	method jwt.SigningMethod
	public any  // what method takes
	print  hash // stands for the key in a source
}

func loadJWKS(path string) ([]jwk, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	// Keys have members that are nothing to us: x5c, key_ops and others.
	if err := decodeJSON(raw, &set, false); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// A set may also have keys for encryption.
	signing := slices.DeleteFunc(set.Keys, func(k jwk) bool { return k.Use != "" && k.Use != "sig" })
	if len(signing) == 0 {
		return nil, fmt.Errorf("%s: there is no key to verify with", path)
	}
	return signing, nil
}

func (k *jwk) key() (*key, error) {
	out := &key{id: k.Kid}
	var err error
	switch k.Kty {
	case "oct":
		out.method = jwt.SigningMethodHS256
		out.public, err = k.secret()
	case "RSA":
		out.method = jwt.SigningMethodRS256
		out.public, err = k.rsa()
	case "EC":
		out.method = jwt.SigningMethodES256
		out.public, err = k.ecdsa()
	case "OKP":
		out.method = jwt.SigningMethodEdDSA
		out.public, err = k.ed25519()
	default:
		err = errors.New("kty must be oct, RSA, EC or OKP")
	}
	if err == nil && k.Alg != "" && k.Alg != out.method.Alg() {
		err = fmt.Errorf("alg must be %s for this key", out.method.Alg())
	}
	if err == nil && k.Use != "" && k.Use != "sig" {
		err = errors.New("use must be sig")
	}
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", k.Kid, err)
	}
	out.print = sha256.Sum256(fmt.Append(nil, k.Kty, k.Crv, k.K, k.N, k.E, k.X, k.Y))
	return out, nil
}

func (k *jwk) secret() ([]byte, error) {
	secret, err := decode64(k.K)
	if err == nil && len(secret) < 32 {
		err = errors.New("a secret of less than 32 bytes can be guessed")
	}
	return secret, err
}

func (k *jwk) rsa() (*rsa.PublicKey, error) {
	n, err1 := decode64(k.N)
	e, err2 := decode64(k.E)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	exponent := new(big.Int).SetBytes(e)
	if bits := public.N.BitLen(); bits < 2048 || bits > 8192 {
		return nil, errors.New("an RSA key must have 2048 to 8192 bits")
	}
	if !exponent.IsInt64() || exponent.Int64() < 3 || exponent.Int64() > 1<<31-1 || exponent.Bit(0) == 0 {
		return nil, errors.New("the exponent e is not one of RSA")
	}
	public.E = int(exponent.Int64())
	return public, nil
}

func (k *jwk) ecdsa() (*ecdsa.PublicKey, error) {
	if k.Crv != "P-256" {
		return nil, errors.New("crv must be P-256")
	}
	x, err1 := decode64(k.X)
	y, err2 := decode64(k.Y)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if len(x) != 32 || len(y) != 32 {
		return nil, errors.New("x and y must have 32 bytes")
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
}

func (k *jwk) ed25519() (crypto.PublicKey, error) {
	if k.Crv != "Ed25519" {
		return nil, errors.New("crv must be Ed25519")
	}
	x, err := decode64(k.X)
	if err == nil && len(x) != ed25519.PublicKeySize {
		err = errors.New("x must have 32 bytes")
	}
	return ed25519.PublicKey(x), err
}

// decode64 reads base64url without padding, as RFC 7517 has it.
func decode64(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("a member of the key is missing")
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}
