package config

import (
	"fmt"

	"event-dispatcher/transport/access"
)

// access declares the flags of who may what, and of what is said of players.
func (c *Config) access(t *table) {
	f := &c.Files
	var mode, key string
	t.group("Access")
	t.text(&f.Access, "access", "", "`file` (.json, otherwise TOML) with the tokens, issuers and rights of those who have none; read again when it changes. Empty: everybody may publish and consume")
	t.text(&f.Cert, "tls-cert", "", "`file` with the certificate chain of the public listeners, in PEM; they then speak TLS only. Read again when it changes")
	t.text(&f.Key, "tls-key", "", "`file` with its key")
	t.text(&f.AdminCert, "admin-tls-cert", "", "`file` with the certificate chain of -admin-addr")
	t.text(&f.AdminKey, "admin-tls-key", "", "`file` with its key")
	t.text(&mode, "user-ip", "full", "what events of /api/events say of the player's `address`, and log lines of a client's: full, network (IPv4 /24, IPv6 /48), hash, or off")
	t.text(&key, "user-ip-key", "", "`secret` of -user-ip hash; empty: a new one at every start")
	t.then(func() (err error) {
		if key == mask {
			return fmt.Errorf("-user-ip-key: %w", errMasked)
		}
		if c.Transport.UserIP, err = access.NewUserIP(mode, key); err != nil {
			return fmt.Errorf("-user-ip: %w", err)
		}
		return nil
	})
}
